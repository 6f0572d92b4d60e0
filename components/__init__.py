"""IAM roles for Amazon Q Business data source connectors."""

from .connector_role import ConnectorRole, ConnectorRoleArgs, VpcConfiguration
from .problems import SettingsError

__all__ = ["ConnectorRole", "ConnectorRoleArgs", "SettingsError", "VpcConfiguration"]
