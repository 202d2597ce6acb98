//! Calls of a plugin without an exchange, for its author to see what it makes of an input.

use bytes::Bytes;

use super::Plugin;
use crate::{Failure, Phase};

impl Plugin {
    /// Calls the guest once with an input as its ABI writes it, and gives the output as the guest wrote it: for a plugin
    /// of the ABI `odin` both are JSON. Neither is checked or completed.
    ///
    /// The call is part of no exchange, takes an instance of the plugin's pool, has the limits of any call, and is not
    /// counted in [`stats`](Self::stats). A plugin of an ABI that has no such call fails with the class `guest-error`.
    pub async fn test_input(&self, input: &[u8]) -> Result<Vec<u8>, Failure> {
        let input = Bytes::copy_from_slice(input);
        let instance = self.check_out().await?;
        let (instance, output) =
            instance.call(&mut None, Phase::Request, |guest, store| guest.on_test_input(store, input)).await;
        let output = output?;
        self.give_back(instance);
        Ok(output)
    }
}
