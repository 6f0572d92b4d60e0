"""Stand in for HashiCorp Vault, which decrypts the key for a stack's secrets.

Deriving the key from a passphrase would take a fifth of the time of each operation; see
`NewSymmetricCrypterFromPassphrase` in https://github.com/pulumi/pulumi/tree/v3.276.0/sdk/go/common/resource/config.
Tests with the sandbox's own stacks use a passphrase.
"""

import base64
import json
from collections.abc import Mapping
from typing import Final

from tests.helpers.loopback import Handler

ADDRESS: Final = "VAULT_ADDR"
"""The variable with the server's address."""
SECRETS_PROVIDER: Final[Mapping[str, str]] = {
    "secretsprovider": "hashivault://tests",
    "encryptedkey": base64.b64encode(b"the same for all stacks").decode(),
}
"""The settings of a stack whose secrets provider is the server."""


class Vault(Handler):
    """A stand-in that returns the same key for every request."""

    def do_PUT(self) -> None:  # noqa: N802 http.server calls it
        self.body()
        key = base64.b64encode(bytes(32)).decode()
        self.answer(200, json.dumps({"data": {"plaintext": key}}).encode())
