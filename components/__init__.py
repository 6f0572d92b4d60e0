"""The IAM role of an Amazon Q Business data source connector for Adobe Experience Manager Cloud."""

from .connector_role import ConnectorRole, ConnectorRoleArgs, VpcConfiguration
from .errors import SettingsError

__all__ = ["ConnectorRole", "ConnectorRoleArgs", "SettingsError", "VpcConfiguration"]
