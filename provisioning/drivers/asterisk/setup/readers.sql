
-- What Asterisk itself reads of it.
GRANT SELECT ON rtcadmin_config, rtcadmin_numbers, rtcadmin_callers, rtcadmin_aors,
    rtcadmin_settings, rtcadmin_preferences TO "@ROLE@";
