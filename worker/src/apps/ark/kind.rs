//! The kinds of jobs that a control plane has: what each needs, what it makes of its instance, and what it
//! does where no program does it.

use serde::{Deserialize, Serialize};

/// All kinds; a kind's place here is what [`Of`](super::work::Of) knows it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    InstallServer,
    UpdateServer,
    StartInstance,
    StopInstance,
    RestartInstance,
    BackupInstance,
    VerifyBackup,
    RestoreBackup,
    PruneBackups,
    SyncMods,
    ActivateBuild,
}

/// What an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Status {
    Stopped,
    Starting,
    Running,
    Stopping,
    Error,
}

/// A part of the work that takes as many steps, with what it says at its beginning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage {
    pub(super) message: &'static str,
    pub(super) steps: u32,
    /// What the instance does from then on.
    pub(super) status: Option<Status>,
}

const fn stage(message: &'static str, steps: u32) -> Stage {
    Stage {
        message,
        steps,
        status: None,
    }
}

impl Kind {
    pub(super) const ALL: [Self; 11] = [
        Self::InstallServer,
        Self::UpdateServer,
        Self::StartInstance,
        Self::StopInstance,
        Self::RestartInstance,
        Self::BackupInstance,
        Self::VerifyBackup,
        Self::RestoreBackup,
        Self::PruneBackups,
        Self::SyncMods,
        Self::ActivateBuild,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::InstallServer => "INSTALL_SERVER",
            Self::UpdateServer => "UPDATE_SERVER",
            Self::StartInstance => "START_INSTANCE",
            Self::StopInstance => "STOP_INSTANCE",
            Self::RestartInstance => "RESTART_INSTANCE",
            Self::BackupInstance => "BACKUP_INSTANCE",
            Self::VerifyBackup => "VERIFY_BACKUP",
            Self::RestoreBackup => "RESTORE_BACKUP",
            Self::PruneBackups => "PRUNE_BACKUPS",
            Self::SyncMods => "SYNC_MODS",
            Self::ActivateBuild => "ACTIVATE_BUILD",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it is nothing without an instance.
    pub(super) fn needs_instance(self) -> bool {
        matches!(
            self,
            Self::StartInstance
                | Self::StopInstance
                | Self::RestartInstance
                | Self::BackupInstance
                | Self::RestoreBackup
                | Self::SyncMods
        )
    }

    /// What its instance does from the beginning on.
    pub(super) fn begins(self) -> Option<Status> {
        match self {
            Self::StartInstance => Some(Status::Starting),
            Self::StopInstance | Self::RestartInstance => Some(Status::Stopping),
            _ => None,
        }
    }

    /// What it does when the job has been done.
    pub(super) fn ends(self) -> Option<Status> {
        match self {
            Self::StartInstance | Self::RestartInstance => Some(Status::Running),
            Self::StopInstance => Some(Status::Stopped),
            _ => None,
        }
    }

    /// What it does if the job was cancelled.
    pub(super) fn undone(self) -> Option<Status> {
        match self {
            Self::StartInstance => Some(Status::Stopped),
            Self::StopInstance | Self::RestartInstance => Some(Status::Running),
            _ => None,
        }
    }

    pub(super) fn stages(self) -> &'static [Stage] {
        match self {
            Self::InstallServer | Self::UpdateServer => {
                const {
                    &[
                        stage("Downloading files...", 10),
                        stage("Verifying files...", 4),
                        stage("Installing server files...", 6),
                    ]
                }
            }
            Self::StartInstance => {
                const {
                    &[
                        stage("Preparing configuration...", 2),
                        stage("Starting server process...", 3),
                        stage("Loading map...", 5),
                    ]
                }
            }
            Self::StopInstance => {
                const {
                    &[
                        stage("Saving world...", 3),
                        stage("Stopping server process...", 2),
                    ]
                }
            }
            Self::RestartInstance => {
                const {
                    &[
                        stage("Saving world...", 3),
                        stage("Stopping server process...", 2),
                        Stage {
                            message: "Starting server process...",
                            steps: 5,
                            status: Some(Status::Starting),
                        },
                    ]
                }
            }
            Self::BackupInstance => {
                const {
                    &[
                        stage("Saving world...", 2),
                        stage("Backing up instance files...", 8),
                    ]
                }
            }
            Self::VerifyBackup => const { &[stage("Verifying backup...", 8)] },
            Self::RestoreBackup => {
                const { &[stage("Verifying backup...", 3), stage("Restoring files...", 7)] }
            }
            Self::PruneBackups => const { &[stage("Pruning backups...", 4)] },
            Self::SyncMods => const { &[stage("Reading mod list...", 1), stage("Downloading mods...", 7)] },
            Self::ActivateBuild => const { &[stage("Linking build...", 4)] },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_goes_by_its_name_and_has_something_to_do() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert!(!kind.stages().is_empty());
        }
        assert_eq!(Kind::named("DANCE"), None);
    }

    #[test]
    fn what_changes_an_instance_needs_one() {
        for kind in Kind::ALL {
            let changes = [kind.begins(), kind.ends(), kind.undone()];
            assert!(
                changes.iter().all(Option::is_none) || kind.needs_instance(),
                "{kind:?}"
            );
        }
    }
}
