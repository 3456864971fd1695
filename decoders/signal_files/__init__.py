"""Signal files of car makers, as they are found in the wild, to messages: DBC, KCD, SYM and ARXML."""
