"""Files that users give: what they are, and which others belong to them."""
