"""The role of an Amazon Q Business data source connector for Adobe Experience Manager Cloud."""
