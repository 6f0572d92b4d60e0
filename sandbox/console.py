"""Create a data source and its role, as the AWS console does."""

import json
from typing import Final

from sandbox.account import ACCOUNT_ID, APPLICATION_ID, INDEX_ID, KEY_ARN, SECRET_ARN
from sandbox.environment import REGION
from sandbox.provider.calls import get_client

_ROLE_NAME: Final = "QBusiness-DataSource-x1y2z"
_DISPLAY_NAME: Final = "Console"
_INDEX_ARN: Final = (
    f"arn:aws:qbusiness:{REGION}:{ACCOUNT_ID}:application/{APPLICATION_ID}/index/{INDEX_ID}"
)
_TRUST_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "AllowsAmazonQToAssumeRoleForServicePrincipal",
            "Effect": "Allow",
            "Principal": {"Service": "qbusiness.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": ACCOUNT_ID},
                "ArnLike": {"aws:SourceArn": _INDEX_ARN.partition("/index/")[0]},
            },
        }
    ],
}
# Several data sources could share this policy. Unlike the policy on AWS's page for AEM, it allows
# access to all secrets, and allows ingestion only on the index, not on the application.
_ROLE_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:*",
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
    iam, qbusiness = get_client("iam", REGION), get_client("qbusiness", REGION)
    role_key = {"RoleName": _ROLE_NAME}
    try:
        role_arn = iam.get_role(**role_key)["Role"]["Arn"]
    except iam.exceptions.NoSuchEntityException:
        created_role = iam.create_role(
            **role_key, Path="/service-role/", AssumeRolePolicyDocument=json.dumps(_TRUST_POLICY)
        )
        role_arn = created_role["Role"]["Arn"]
        role_policy = json.dumps(_ROLE_POLICY)
        iam.put_role_policy(**role_key, PolicyName="template", PolicyDocument=role_policy)
    index_key = {"applicationId": APPLICATION_ID, "indexId": INDEX_ID}
    data_source_id_by_name = {
        data_source["displayName"]: data_source["dataSourceId"]
        for page in qbusiness.get_paginator("list_data_sources").paginate(**index_key)
        for data_source in page["dataSources"]
    }
    if _DISPLAY_NAME in data_source_id_by_name:
        data_source_id = data_source_id_by_name[_DISPLAY_NAME]
    else:
        created_data_source = qbusiness.create_data_source(
            **index_key,
            displayName=_DISPLAY_NAME,
            configuration={"type": "AEM", "secretArn": SECRET_ARN},
            roleArn=role_arn,
        )
        data_source_id = created_data_source["dataSourceId"]
    print(f"data source: {data_source_id}\nrole: {role_arn}")


if __name__ == "__main__":
    main()
