//! The header `Tidegate-Signature`: `t=<seconds since 1970>,v1=<HMAC-SHA256 of t, ".", body>`.

use std::fmt::{self, Write as _};

use ring::hmac;

pub(super) struct Signer(hmac::Key);

impl Signer {
    pub(super) fn new(secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// The time is part of what is signed: an old request can be told from a new one.
    pub(super) fn sign(&self, seconds: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(seconds.to_string().as_bytes());
        context.update(b".");
        context.update(body);
        let mut header = format!("t={seconds},v1=");
        for byte in context.sign().as_ref() {
            // Writing to a string cannot fail.
            let _ = write!(header, "{byte:02x}");
        }
        header
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_anybody_else_computes() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac correct-horse
        assert_eq!(
            Signer::new("correct-horse").sign(1_700_000_000, b"{\"a\":1}"),
            "t=1700000000,v1=90498955c6f0f9e787634182800fd4e19d8797c31374b63e7073bdaec01ef1bf"
        );
    }
}
