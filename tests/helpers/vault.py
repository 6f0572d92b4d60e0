"""Give stacks the key of their secrets, as HashiCorp Vault does.

To derive it from a passphrase, as most stacks of users do, takes the engine a fifth of an operation:
`NewSymmetricCrypterFromPassphrase` of https://github.com/pulumi/pulumi/tree/v3.259.0/sdk/go/common/resource/config.
Tests of the sandbox's own stacks use a passphrase.
"""

import base64
import json
from collections.abc import Mapping
from typing import Final

from tests.helpers.loopback import Handler

ADDRESS: Final = "VAULT_ADDR"
"""Variable with the address of the server."""
SECRETS_PROVIDER: Final[Mapping[str, str]] = {
    "secretsprovider": "hashivault://tests",
    "encryptedkey": base64.b64encode(b"the same for all stacks").decode(),
}
"""The settings of a stack that asks the server."""


class Vault(Handler):
    """Decrypts every key to the same one."""

    def do_PUT(self) -> None:  # noqa: N802 http.server calls it
        self.body()
        key = base64.b64encode(bytes(32)).decode()
        self.answer(200, json.dumps({"data": {"plaintext": key}}).encode())
