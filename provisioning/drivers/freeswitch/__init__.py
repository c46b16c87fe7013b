"""FreeSWITCH 1.11: it asks the console by mod_xml_curl, which acts by its event socket."""
