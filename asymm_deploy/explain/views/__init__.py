"""What was found out about operators, for people, spreadsheets and other tools; pure."""
