"""Create a data source and its role, as the AWS console does."""

import json
from typing import Final

from sandbox.account import ACCOUNT, APPLICATION_ID, INDEX_ID, KEY_ARN, SECRET_ARN
from sandbox.environment import REGION
from sandbox.provider.calls import client

_ROLE_NAME: Final = "QBusiness-DataSource-x1y2z"
_DISPLAY_NAME: Final = "Console"
_INDEX_ARN: Final = f"arn:aws:qbusiness:{REGION}:{ACCOUNT}:application/{APPLICATION_ID}/index/{INDEX_ID}"
_TRUST_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "AllowsAmazonQToAssumeRoleForServicePrincipal",
            "Effect": "Allow",
            "Principal": {"Service": "qbusiness.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
                "ArnLike": {"aws:SourceArn": _INDEX_ARN.partition("/index/")[0]},
            },
        }
    ],
}
# Several data sources could share this policy. Unlike the policy on AWS's page for AEM, it allows
# access to all secrets, and allows ingestion only on the index, not on the application.
_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:*",
        },
        {
            "Sid": "Decrypt",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": KEY_ARN,
            "Condition": {"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}},
        },
        {
            "Sid": "Ingest",
            "Effect": "Allow",
            "Action": ["qbusiness:BatchPutDocument", "qbusiness:BatchDeleteDocument"],
            "Resource": _INDEX_ARN,
        },
    ],
}


def main() -> None:
    """Create the data source and the role unless they exist; print the data source's ID and role ARN."""
    iam, qbusiness = client("iam", REGION), client("qbusiness", REGION)
    role = {"RoleName": _ROLE_NAME}
    try:
        role_arn = iam.get_role(**role)["Role"]["Arn"]
    except iam.exceptions.NoSuchEntityException:
        trust_policy = json.dumps(_TRUST_POLICY)
        created = iam.create_role(**role, Path="/service-role/", AssumeRolePolicyDocument=trust_policy)
        role_arn = created["Role"]["Arn"]
        iam.put_role_policy(**role, PolicyName="template", PolicyDocument=json.dumps(_POLICY))
    index = {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}
    sources = {
        source["displayName"]: source["dataSourceId"]
        for page in qbusiness.get_paginator("list_data_sources").paginate(**index)
        for source in page["dataSources"]
    }
    if _DISPLAY_NAME not in sources:
        configuration = {"type": "AEM", "secretArn": SECRET_ARN}
        created = qbusiness.create_data_source(
            **index, displayName=_DISPLAY_NAME, configuration=configuration, roleArn=role_arn
        )
        sources[_DISPLAY_NAME] = created["dataSourceId"]
    print(f"data source: {sources[_DISPLAY_NAME]}\nrole: {role_arn}")


if __name__ == "__main__":
    main()
