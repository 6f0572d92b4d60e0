"""List facts from AWS's pages about each connector, independently of the program."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pages.example_calls import SHAPES, Options


class Facts(NamedTuple):
    """Facts about a connector, whose name is from the URL of its IAM role page.

    A secret, bucket, or VPC is required, optional, supported only by earlier versions of the connector
    (`earlier`), or not supported (`no`).
    """

    name: str
    types: str
    """Values of `type` in CreateDataSource's configuration, newest first, separated by commas."""
    secret: str
    bucket: str
    vpc: str
    status: str


# For connectors that require a bucket, the bucket is the data source; only the policies on their pages
# allow iam:PassRole. The pages of exchange, onedrive-original, onedrive-new, and github-cloud mention no
# bucket, but these connectors' configurations can specify a bucket.
_TABLE: Final = """
aem-cloud                       AEM                        required  no        optional  legacy
aem-server                      AEM                        required  no        optional  legacy
alfresco-cloud                  ALFRESCO                   required  no        optional  legacy
Asana                           ASANA                      required  no        optional  preview
box                             BOX                        required  no        optional  supported
confluence-cloud                CONFLUENCEV2,CONFLUENCE    required  no        optional  supported
dropbox                         DROPBOX                    required  no        optional  supported
exchange                        MSEXCHANGEV2,MSEXCHANGE    required  optional  earlier   supported
gcal                            GOOGLECALENDAR             required  no        optional  preview
github-cloud                    GITHUB                     required  optional  optional  supported
gmail                           GMAILV2,GMAIL              required  no        earlier   supported
googledrive-v1                  GOOGLEDRIVEV2,GOOGLEDRIVE  required  no        optional  supported
jira                            JIRA                       required  no        optional  supported
onedrive-original               ONEDRIVE                   required  optional  optional  supported
quip                            QUIP                       required  no        optional  legacy
salesforce                      SALESFORCE                 required  no        optional  supported
servicenow                      SERVICENOWV2,SERVICENOW    required  no        optional  supported
slack                           SLACK                      required  no        optional  supported
teams                           MSTEAMSV2,MSTEAMS          required  no        earlier   supported
yammer                          YAMMER                     required  no        optional  legacy
zendesk                         ZENDESK                    required  no        optional  supported
alfresco-server                 ALFRESCO                   required  optional  optional  legacy
aurora-mysql                    JDBC                       required  optional  optional  legacy
aurora-postgresql               JDBC                       required  optional  optional  legacy
rds-ms-sql-server               JDBC                       required  optional  optional  legacy
rds-my-sql                      JDBC                       required  optional  optional  legacy
rds-oracle                      JDBC                       required  optional  optional  legacy
rds-postgresql                  JDBC                       required  optional  optional  legacy
ibm-db2                         JDBC                       required  optional  optional  legacy
ms-sql-server                   JDBC                       required  optional  optional  legacy
my-sql                          JDBC                       required  optional  optional  legacy
oracle-database                 JDBC                       required  optional  optional  legacy
postgresql                      JDBC                       required  optional  optional  legacy
confluence-server               CONFLUENCEV2,CONFLUENCE    required  optional  optional  supported
drupal                          DRUPAL                     required  optional  optional  legacy
fsx-windows                     FSX                        required  optional  optional  supported
github-server                   GITHUB                     required  optional  optional  supported
sharepoint-server-subscription  SHAREPOINTV2,SHAREPOINT    required  optional  optional  supported
sharepoint-cloud                SHAREPOINTV2,SHAREPOINT    required  optional  optional  supported
webcrawler                      WEBCRAWLERV2,WEBCRAWLER    optional  optional  optional  supported
googledrive-v2                  GOOGLEDRIVEV3              required  no        no        supported
onedrive-new                    ONEDRIVEV3                 required  optional  no        supported
s3-v1                           S3                         no        required  optional  supported
s3-v2                           S3V2                       no        required  no        supported
smartsheet                      SMARTSHEET                 required  optional  no        supported
"""
FACTS: Final = {row.split()[0]: Facts(*row.split()) for row in _TABLE.strip().splitlines()}


def shapes(facts: Facts) -> Iterator[Options]:
    """Yield the options from SHAPES that the connector's roles can have."""
    for options in SHAPES:
        given = (options.secret_arn, options.bucket_arn, options.network_arns)
        if options.bucket_is_source == (facts.bucket == "required") and all(
            support != ("no" if value else "required")
            for support, value in zip((facts.secret, facts.bucket, facts.vpc), given, strict=True)
        ):
            yield options
