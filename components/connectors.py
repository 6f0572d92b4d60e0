"""List the Amazon Q Business connectors, with the requirements from AWS's IAM role pages.

https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/iam-roles.html
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Need(StrEnum):
    """Whether a connector requires or supports a secret, a bucket, or a VPC."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    EARLIER_VERSIONS = "earlier versions of the connector only"
    NOT_SUPPORTED = "not supported"


class Status(StrEnum):
    """AWS's support for a connector; AWS supported legacy connectors until LEGACY_SUPPORT_END."""

    SUPPORTED = "supported"
    PREVIEW = "preview"
    LEGACY = "legacy"


# AWS supported legacy connectors until this day, only for existing customers:
# https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/connectors-list.html
LEGACY_SUPPORT_END: Final = "May 31, 2026"


class Connector(NamedTuple):
    """A connector, with the requirements from its IAM role page."""

    name: str  # as in the URL of the connector's IAM role page
    title: str
    types: str  # values of `type` in CreateDataSource's configuration, newest first, separated by spaces
    secret: Need  # the secret contains the data source's credentials
    bucket: Need  # a required bucket is the data source; an optional bucket stores files for it
    vpc: Need
    status: Status

    @property
    def page(self) -> str:
        """The URL of the connector's IAM role page."""
        return f"https://docs.aws.amazon.com/amazonq/latest/qbusiness-ug/{self.name}-iam-role.html"

    @property
    def label(self) -> str:
        """The connector's label in messages about its requirements."""
        return f"the {self.name} connector (see {self.page})"

    @property
    def bucket_is_source(self) -> bool:
        """Whether the bucket is the data source."""
        return self.bucket is Need.REQUIRED

    @property
    def needs(self) -> Mapping[str, Need]:
        """The need for each setting that some connectors require or do not support."""
        return {"secret_id": self.secret, "bucket_name": self.bucket, "vpc_configuration": self.vpc}


_YES, _OPTIONAL, _EARLIER, _NO = Need.REQUIRED, Need.OPTIONAL, Need.EARLIER_VERSIONS, Need.NOT_SUPPORTED
_SUPPORTED, _PREVIEW, _LEGACY = Status.SUPPORTED, Status.PREVIEW, Status.LEGACY
# fmt: off
_TABLE: Final = (
    # name, title, types, secret, bucket, VPC, status
    ("aem-cloud",                      "Adobe Experience Manager (AEM) Cloud",  "AEM",                       _YES,      _NO,       _OPTIONAL, _LEGACY),
    ("aem-server",                     "Adobe Experience Manager (AEM) Server", "AEM",                       _YES,      _NO,       _OPTIONAL, _LEGACY),
    ("alfresco-cloud",                 "Alfresco Cloud",                        "ALFRESCO",                  _YES,      _NO,       _OPTIONAL, _LEGACY),
    ("alfresco-server",                "Alfresco Server",                       "ALFRESCO",                  _YES,      _OPTIONAL, _OPTIONAL, _LEGACY),
    ("Asana",                          "Asana",                                 "ASANA",                     _YES,      _NO,       _OPTIONAL, _PREVIEW),
    ("aurora-mysql",                   "Amazon Aurora MySQL",                   "JDBC",                      _YES,      _OPTIONAL, _OPTIONAL, _LEGACY),
    ("aurora-postgresql",              "Amazon Aurora PostgreSQL",              "JDBC",                      _YES,      _OPTIONAL, _OPTIONAL, _LEGACY),
    ("box",                            "Box",                                   "BOX",                       _YES,      _NO,       _OPTIONAL, _SUPPORTED),
    ("confluence-cloud",               "Confluence Cloud",                      "CONFLUENCEV2 CONFLUENCE",   _YES,      _NO,       _OPTIONAL, _SUPPORTED),
    ("confluence-server",              "Confluence Server and Data Center",     "CONFLUENCEV2 CONFLUENCE",   _YES,      _OPTIONAL, _OPTIONAL, _SUPPORTED),
    ("dropbox",                        "Dropbox",                               "DROPBOX",                   _YES,      _NO,       _OPTIONAL, _SUPPORTED),
    ("drupal",                         "Drupal",                                "DRUPAL",                    _YES,      _OPTIONAL, _OPTIONAL, _LEGACY),
    ("exchange",                       "Microsoft Exchange",                    "MSEXCHANGEV2 MSEXCHANGE",   _YES,      _OPTIONAL, _EARLIER,  _SUPPORTED),
    ("fsx-windows",                    "Amazon FSx for Windows File Server",    "FSX",                       _YES,      _OPTIONAL, _OPTIONAL, _SUPPORTED),
    ("gcal",                           "Google Calendar",                       "GOOGLECALENDAR",            _YES,      _NO,       _OPTIONAL, _PREVIEW),
    ("github-cloud",                   "GitHub Cloud",                          "GITHUB",                    _YES,      _OPTIONAL, _OPTIONAL, _SUPPORTED),
    ("github-server",                  "GitHub Server",                         "GITHUB",                    _YES,      _OPTIONAL, _OPTIONAL, _SUPPORTED),
    ("gmail",                          "Gmail",                                 "GMAILV2 GMAIL",             _YES,      _NO,       _EARLIER,  _SUPPORTED),
    ("googledrive-v1",                 "Google Drive, original",                "GOOGLEDRIVEV2 GOOGLEDRIVE", _YES,      _NO,       _OPTIONAL, _SUPPORTED),
    ("googledrive-v2",                 "Google Drive, new",                     "GOOGLEDRIVEV3",             _YES,      _NO,       _NO,       _SUPPORTED),
    ("ibm-db2",                        "IBM DB2",                               "JDBC",                      _YES,      _OPTIONAL, _OPTIONAL, _LEGACY),
    ("jira",                           "Jira",                                  "JIRA",                      _YES,      _NO,       _OPTIONAL, _SUPPORTED),
    ("ms-sql-server",                  "Microsoft SQL Server",                  "JDBC",                      _YES,      _OPTIONAL, _OPTIONAL, _LEGACY),
    ("my-sql",                         "MySQL",                                 "JDBC",                      _YES,      _OPTIONAL, _OPTIONAL, _LEGACY),
    ("onedrive-new",                   "Microsoft OneDrive, new",               "ONEDRIVEV3",                _YES,      _OPTIONAL, _NO,       _SUPPORTED),
    ("onedrive-original",              "Microsoft OneDrive, original",          "ONEDRIVE",                  _YES,      _OPTIONAL, _OPTIONAL, _SUPPORTED),
    ("oracle-database",                "Oracle Database",                       "JDBC",                      _YES,      _OPTIONAL, _OPTIONAL, _LEGACY),
    ("postgresql",                     "PostgreSQL",                            "JDBC",                      _YES,      _OPTIONAL, _OPTIONAL, _LEGACY),
    ("quip",                           "Quip",                                  "QUIP",                      _YES,      _NO,       _OPTIONAL, _LEGACY),
    ("rds-ms-sql-server",              "Amazon RDS for Microsoft SQL Server",   "JDBC",                      _YES,      _OPTIONAL, _OPTIONAL, _LEGACY),
    ("rds-my-sql",                     "Amazon RDS for MySQL",                  "JDBC",                      _YES,      _OPTIONAL, _OPTIONAL, _LEGACY),
    ("rds-oracle",                     "Amazon RDS for Oracle",                 "JDBC",                      _YES,      _OPTIONAL, _OPTIONAL, _LEGACY),
    ("rds-postgresql",                 "Amazon RDS for PostgreSQL",             "JDBC",                      _YES,      _OPTIONAL, _OPTIONAL, _LEGACY),
    ("s3-v1",                          "Amazon S3, original",                   "S3",                        _NO,       _YES,      _OPTIONAL, _SUPPORTED),
    ("s3-v2",                          "Amazon S3, new",                        "S3V2",                      _NO,       _YES,      _NO,       _SUPPORTED),
    ("salesforce",                     "Salesforce Online",                     "SALESFORCE",                _YES,      _NO,       _OPTIONAL, _SUPPORTED),
    ("servicenow",                     "ServiceNow Online",                     "SERVICENOWV2 SERVICENOW",   _YES,      _NO,       _OPTIONAL, _SUPPORTED),
    ("sharepoint-cloud",               "Microsoft SharePoint Online",           "SHAREPOINTV2 SHAREPOINT",   _YES,      _OPTIONAL, _OPTIONAL, _SUPPORTED),
    ("sharepoint-server-subscription", "Microsoft SharePoint Server",           "SHAREPOINTV2 SHAREPOINT",   _YES,      _OPTIONAL, _OPTIONAL, _SUPPORTED),
    ("slack",                          "Slack",                                 "SLACK",                     _YES,      _NO,       _OPTIONAL, _SUPPORTED),
    ("smartsheet",                     "Smartsheet",                            "SMARTSHEET",                _YES,      _OPTIONAL, _NO,       _SUPPORTED),
    ("teams",                          "Microsoft Teams",                       "MSTEAMSV2 MSTEAMS",         _YES,      _NO,       _EARLIER,  _SUPPORTED),
    ("webcrawler",                     "Web Crawler",                           "WEBCRAWLERV2 WEBCRAWLER",   _OPTIONAL, _OPTIONAL, _OPTIONAL, _SUPPORTED),
    ("yammer",                         "Microsoft Yammer",                      "YAMMER",                    _YES,      _NO,       _OPTIONAL, _LEGACY),
    ("zendesk",                        "Zendesk",                               "ZENDESK",                   _YES,      _NO,       _OPTIONAL, _SUPPORTED),
)
# fmt: on
# The connectors that have an IAM role page, by name.
CONNECTORS: Final[Mapping[str, Connector]] = {row[0]: Connector(*row) for row in _TABLE}
DEFAULT: Final = "aem-cloud"
# The stand-in for an invalid connector, whose needs are not known.
ANY: Final = Connector("", "", "", _OPTIONAL, _OPTIONAL, _OPTIONAL, _SUPPORTED)


def find_connector(name: object) -> Connector:
    """Return the connector with this name; the default if the name is blank, or ANY if it is invalid."""
    return CONNECTORS.get(name or DEFAULT, ANY) if isinstance(name, str | None) else ANY
