"""Ask whether a KMS grant lets a role decrypt with a key, in addition to policies.

https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
"""

from botocore.exceptions import ClientError

from guardrails.iam.truth import Truth, some
from roles.account import Account
from roles.errors import is_denied


def may_decrypt(account: Account, key_arn: str, role_arn: str) -> Truth:
    """Return whether a grant allows the role to decrypt.

    The answer is unknown if a grant has constraints on the encryption context, or if the credentials may
    not list the key's grants. Raises other errors of ListGrants.
    """
    try:
        found = account.items("kms:ListGrants", key_arn, role_arn)
    except ClientError as error:
        if is_denied(error):
            return Truth.CANNOT_TELL
        raise
    return some(
        Truth.CANNOT_TELL if grant.get("Constraints") else Truth.YES
        for grant in found
        if "Decrypt" in grant["Operations"]
    )
