"""IAM roles for Amazon Q Business data source connectors."""

from .arguments import SettingsError
from .connector_role import ConnectorRole, ConnectorRoleArgs, VpcConfiguration

__all__ = ["ConnectorRole", "ConnectorRoleArgs", "SettingsError", "VpcConfiguration"]
