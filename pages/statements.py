"""List each statement's reason, risk, and difference from AWS's pages, for docs/permissions.md."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class About(NamedTuple):
    """A statement's texts in docs/permissions.md."""

    reason: str
    risk: str = ""
    difference: str = ""
    """The difference from the statements on AWS's pages."""


STATEMENTS: Final[Mapping[str, About]] = {
    "AllowsAmazonQServicePrincipal": About(
        "Let Amazon Q Business assume the role only for this application in this account.",
        risk="**Other data sources can use the role.** The trust policy specifies the application, not a data source.",
    ),
    "AllowsAmazonQToGetObjectfromS3": About("Read the documents in the bucket."),
    "AllowsAmazonQToGetS3Objects": About(
        "Read files that the data source's configuration specifies, such as a certificate.",
        risk="**With `bucketName`, the role can read every object in the bucket.**",
        difference=(
            "**Files in S3.** The pages for `exchange`, `onedrive-original`, `onedrive-new`, and `github-cloud` "
            "don't mention the bucket that the data source can use. You can set `bucketName` for these connectors."
        ),
    ),
    "AllowsAmazonQToListS3Buckets": About("List the documents in the bucket."),
    "AllowsAmazonQToGetSecret": About(
        "Read the credentials that the connector uses to sign in to the data source or, for Web Crawler, "
        "a web proxy."
    ),
    "AllowsAmazonQToDecryptSecret": About(
        "Decrypt with a customer managed key through only one service: Secrets Manager for the secret or, if a "
        "bucket is the data source, Amazon S3 for its objects.",
        risk=(
            "**With `kmsKeyId`, `kms:ViaService` matches every Region**, as in `secretsmanager.*.amazonaws.com`. "
            "The policy still specifies only one key, in one Region."
        ),
        difference=(
            "**KMS key for an S3 bucket.** The two S3 pages allow `kms:Decrypt` only through Secrets Manager, which "
            "doesn't decrypt S3 objects. The role can use the key only through Amazon S3."
        ),
    ),
    "AllowsAmazonQToIngestDocuments": About(
        "Put documents into the index and delete documents that were deleted from the data source. "
        "[Each action requires both resource types: application and index]"
        "(https://docs.aws.amazon.com/service-authorization/latest/reference/list_qbusiness.html).",
        risk=(
            "**The connector can change the whole index.** It can add documents and delete other data sources' "
            "documents."
        ),
        difference=(
            "**Ingestion.** The pages for `webcrawler`, `smartsheet`, `s3-v1`, `s3-v2`, `googledrive-v2`, and "
            "`onedrive-new` list only the index. The role policy also lists the application, unless you set "
            "[`ingestScope: index`](configuration.md#ingestscope)."
        ),
    ),
    "AllowsAmazonQToIngestPrincipalMapping": About(
        "Manage the users and groups that determine who can see each document.",
        risk=(
            "**The connector determines who can see each document.** It can create and update the application's "
            "users, and put and delete groups for every data source in the index."
        ),
    ),
    "AllowsAmazonQToPassCustomerRole": About(
        "Pass this role to Amazon Q Business, because `BatchPutDocument` accepts a role that can read the bucket.",
        risk=(
            "**For `s3-v1` and `s3-v2`, the role can pass itself**, but no other role, to Amazon Q Business. The "
            "trust policy still allows only this application."
        ),
        difference=(
            "**`iam:PassRole` for `s3-v1` and `s3-v2`.** The pages allow it for `role/QBusiness-DataSource-*`. The "
            "role can pass only itself."
        ),
    ),
    "AllowsAmazonQToCreateAndDeleteNI": About(
        "Create network interfaces in the configured subnets and security groups to reach the data source through the VPC. "
        "`ec2:DeleteNetworkInterface`, copied from AWS's pages, has no effect, because EC2 doesn't check this action "
        "against subnets or security groups."
    ),
    "AllowsAmazonQToCreateAndDeleteNIForSpecificTag": About(
        "Create only network interfaces with the application's `AMAZON_Q` tag. "
        "`ec2:DeleteNetworkInterface`, copied from AWS's pages, has no effect, because requests for this action contain "
        "no tags."
    ),
    "AllowsAmazonQToCreateTags": About(
        "Set tags only while a network interface is being created. "
        "The previous statement determines the tag, so the role can't create an interface with a different tag."
    ),
    "AllowsAmazonQToCreateNetworkInterfacePermission": About(
        "Let an account or a service attach network interfaces with the application's tag.",
        risk=(
            "**With `vpcConfiguration`, the role can let any account or service attach network interfaces** with the "
            "application's tag. As on AWS's pages, no condition limits `ec2:AuthorizedService`."
        ),
    ),
    "AllowsAmazonQToDescribeResourcesForVPC": About(
        "Describe all VPCs, subnets, network interfaces, Availability Zones, and Regions. EC2 supports "
        "only the resource `*` for these actions."
    ),
    "AllowsAmazonQToDeleteTaggedNI": About(
        "Delete network interfaces with the application's tag.",
        difference=(
            "**Deletion of network interfaces.** The pages allow it only with a tag in the request. A deletion "
            "request never contains tags, so interfaces are left behind unless you set "
            "[`allowNetworkInterfaceDeletion`](configuration.md#allownetworkinterfacedeletion)."
        ),
    ),
}
"""The texts by Sid, in the order in which the page lists risks and differences."""
