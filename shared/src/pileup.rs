//! What clients of a station's queue can ask for, over WebSocket: the gateway's dialect takes it, the application does it.

/// Every operation, in the order in which `system.info` lists them.
pub const OPERATIONS: [&str; 21] = [
    "queue.register",
    "queue.list",
    "queue.get_status",
    "admin.get_queue",
    "admin.clear_queue",
    "admin.remove_callsign",
    "admin.next_qso",
    "admin.complete_qso",
    "admin.set_frequency",
    "admin.delete_frequency",
    "admin.set_split",
    "admin.delete_split",
    "admin.set_system_status",
    "admin.get_system_status",
    "admin.logging_direct",
    "public.get_status",
    "public.get_frequency",
    "public.get_split",
    "system.ping",
    "system.heartbeat",
    "system.info",
];
