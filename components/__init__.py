"""The IAM roles of Amazon Q Business data source connectors."""

from .connector_role import ConnectorRole, ConnectorRoleArgs, VpcConfiguration
from .errors import SettingsError

__all__ = ["ConnectorRole", "ConnectorRoleArgs", "SettingsError", "VpcConfiguration"]
