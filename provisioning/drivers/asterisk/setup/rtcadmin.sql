-- What the console writes beside accounts and numbers. All of it may be run again.
CREATE TABLE IF NOT EXISTS rtcadmin_gateways (
    id bigserial PRIMARY KEY, number integer NOT NULL UNIQUE, name varchar(64) NOT NULL,
    host varchar(64) NOT NULL, port integer NOT NULL, transport varchar(3) NOT NULL,
    strip integer NOT NULL, prefix varchar(20) NOT NULL, t38 varchar(3) NOT NULL
);
CREATE TABLE IF NOT EXISTS rtcadmin_trunks (
    id bigserial PRIMARY KEY, number integer NOT NULL UNIQUE, username varchar(64) NOT NULL,
    domain varchar(64) NOT NULL, realm varchar(64) NOT NULL, auth_username varchar(64) NOT NULL,
    ha1 varchar(64) NOT NULL, proxy varchar(255) NOT NULL, expires integer NOT NULL
);
CREATE TABLE IF NOT EXISTS rtcadmin_trusted_hosts (
    id bigserial PRIMARY KEY, treatment varchar(16) NOT NULL, network varchar(50) NOT NULL,
    name varchar(64) NOT NULL, UNIQUE (treatment, network)
);
CREATE TABLE IF NOT EXISTS rtcadmin_routes (
    id bigserial PRIMARY KEY, site integer NOT NULL, prefix varchar(32) NOT NULL,
    category varchar(16) NOT NULL, gateways varchar(64) NOT NULL, callback varchar(32) NOT NULL,
    UNIQUE (site, prefix)
);
CREATE TABLE IF NOT EXISTS rtcadmin_dial_rules (
    id bigserial PRIMARY KEY, site integer NOT NULL, position integer NOT NULL,
    pattern varchar(64) NOT NULL, translation varchar(64) NOT NULL, UNIQUE (site, position)
);
-- `given` tells an empty value from none: Asterisk does not.
CREATE TABLE IF NOT EXISTS rtcadmin_settings (
    id bigserial PRIMARY KEY, name varchar(64) NOT NULL UNIQUE, value varchar(1024) NOT NULL,
    given varchar(1025) GENERATED ALWAYS AS ('=' || value) STORED
);
CREATE TABLE IF NOT EXISTS rtcadmin_preferences (
    id bigserial PRIMARY KEY, name varchar(160) NOT NULL UNIQUE, value varchar(1024) NOT NULL,
    given varchar(1025) GENERATED ALWAYS AS ('=' || value) STORED
);

-- Numbers of accounts, whatever their SIP domain: what a carrier calls.
CREATE INDEX IF NOT EXISTS rtcadmin_extensions_exten ON extensions (exten);
CREATE OR REPLACE VIEW rtcadmin_numbers AS
SELECT x.exten AS number, split_part(x.appdata, ',', 1) AS domain,
    split_part(x.appdata, ',', 2) AS account
FROM extensions AS x
JOIN ps_endpoints AS e
    ON e.id = split_part(x.appdata, ',', 2) || '@' || split_part(x.appdata, ',', 1)
WHERE x.priority = 1 AND x.app = 'Goto' AND x.appdata LIKE '%,%,1';

-- The number that gateways are shown of an account.
CREATE INDEX IF NOT EXISTS rtcadmin_extensions_account
    ON extensions ((split_part(appdata, ',', 2) || '@' || split_part(appdata, ',', 1)));
CREATE OR REPLACE VIEW rtcadmin_callers AS
SELECT split_part(appdata, ',', 2) || '@' || split_part(appdata, ',', 1) AS account,
    exten AS number
FROM extensions
WHERE priority = 1 AND app = 'Goto' AND exten ~ '^[+][1-9][0-9]{6,14}$';

-- Gateways, routes and dial rules as lines of two configuration files, which Asterisk reads when it is told to. What your
-- gateways need besides (codecs, encryption) belongs among the lines of their endpoint.
CREATE OR REPLACE VIEW rtcadmin_config AS
WITH gateways AS (
    SELECT number, strip, prefix, t38, 'rtcadmin-' || number AS name,
        host || ':' || port || ';transport=' || transport AS place
    FROM rtcadmin_gateways
), rules AS (
    SELECT site, row_number() OVER (PARTITION BY site ORDER BY position) AS place, translation,
        replace(replace(replace(pattern, '\d', '[0-9]'), '\+', '[+]'), '\*', '[*]') AS pattern
    FROM rtcadmin_dial_rules
), lines (filename, category, part, place, var_name, var_val) AS (
    SELECT 'rtcadmin_pjsip.conf', g.name, 'endpoint', line.*
    FROM gateways AS g LEFT JOIN rtcadmin_trunks AS t USING (number), LATERAL (VALUES
        (1, 'type', 'endpoint'), (2, 'identify_by', 'ip'), (3, 'context', 'rtcadmin-nowhere'),
        (4, 'aors', g.name), (5, 'disallow', 'all'), (6, 'allow', 'alaw,ulaw'),
        (7, 't38_udptl', g.t38), (8, 'outbound_auth', CASE WHEN t.ha1 <> '' THEN g.name END),
        (9, 'from_user', t.username), (10, 'from_domain', t.domain)
    ) AS line
    UNION ALL
    SELECT 'rtcadmin_pjsip.conf', g.name, 'aor', line.*
    FROM gateways AS g, LATERAL (VALUES
        (1, 'type', 'aor'), (2, 'contact', 'sip:' || g.place), (3, 'qualify_frequency', '15')
    ) AS line
    UNION ALL
    SELECT 'rtcadmin_pjsip.conf', 'rtcadmin-' || t.number, line.*
    FROM rtcadmin_trunks AS t, LATERAL (VALUES
        ('auth', 1, 'type', 'auth'), ('auth', 2, 'auth_type', 'md5'),
        ('auth', 3, 'username', t.auth_username), ('auth', 4, 'realm', t.realm),
        ('auth', 5, 'md5_cred', t.ha1),
        ('registration', 1, 'type', 'registration'),
        ('registration', 2, 'client_uri', 'sip:' || t.username || '@' || t.domain),
        ('registration', 3, 'server_uri', 'sip:' || t.domain),
        ('registration', 4, 'outbound_proxy', t.proxy || ';lr'),
        ('registration', 5, 'outbound_auth', 'rtcadmin-' || t.number),
        ('registration', 6, 'contact_user', t.number::text),
        ('registration', 7, 'expiration', t.expires::text),
        ('registration', 8, 'retry_interval', '30'),
        ('registration', 9, 'forbidden_retry_interval', '300'),
        ('registration', 10, 'auth_rejection_permanent', 'no')
    ) AS line
    UNION ALL
    SELECT 'rtcadmin_pjsip.conf', 'rtcadmin-' || h.treatment, 'endpoint', line.*
    FROM (SELECT DISTINCT treatment FROM rtcadmin_trusted_hosts) AS h, LATERAL (VALUES
        (1, 'type', 'endpoint'), (2, 'identify_by', 'ip'),
        (3, 'context', 'rtcadmin-' || h.treatment), (4, 'disallow', 'all'),
        (5, 'allow', 'alaw,ulaw'), (6, 't38_udptl', 'yes')
    ) AS line
    UNION ALL
    SELECT 'rtcadmin_pjsip.conf', 'rtcadmin-' || h.treatment, 'identify', line.*
    FROM (SELECT DISTINCT treatment FROM rtcadmin_trusted_hosts) AS h, LATERAL (VALUES
        (1, 'type', 'identify'), (2, 'endpoint', 'rtcadmin-' || h.treatment)
    ) AS line
    UNION ALL
    SELECT 'rtcadmin_pjsip.conf', 'rtcadmin-' || treatment, 'identify', 3, 'match', network
    FROM rtcadmin_trusted_hosts
    UNION ALL
    SELECT 'rtcadmin_extensions.conf', 'rtcadmin-gateways', '', 1, 'exten',
        number || ',1,Return(' || strip || '/' || prefix || '/' || place || ')'
    FROM gateways
    UNION ALL
    SELECT 'rtcadmin_extensions.conf', 'rtcadmin-registrations', '', 1, 'exten',
        number || ',1,Return()'
    FROM rtcadmin_trunks
    UNION ALL
    -- Asterisk itself finds the longest prefix. An emergency number is no beginning of others.
    SELECT 'rtcadmin_extensions.conf',
        CASE site WHEN 0 THEN 'rtcadmin-routes' ELSE 'rtcadmin-site-' || site END, '', 1, 'exten',
        CASE category WHEN 'emergency' THEN prefix ELSE '_' || prefix || '!' END
            || ',1,Return(' || category || '/' || gateways || '/' || callback || ')'
    FROM rtcadmin_routes
    UNION ALL
    SELECT 'rtcadmin_extensions.conf', 'rtcadmin-dial-' || site, '', place, 'exten',
        's,' || place || ',ExecIf(${REGEX("^(' || pattern || ')$" ${ARG1})}?Return('
            || replace(translation, '\1', '$["${ARG1}" : "' || pattern || '$"]') || '))'
    FROM rules
    UNION ALL
    SELECT 'rtcadmin_extensions.conf', 'rtcadmin-dial-' || site, '', max(place) + 1, 'exten',
        's,' || max(place) + 1 || ',Return(${ARG1})'
    FROM rules GROUP BY site
)
SELECT filename, category, var_name, var_val, 0 AS commented, place AS var_metric,
    dense_rank() OVER (ORDER BY filename, category, part) AS cat_metric
FROM lines WHERE var_val <> '';

-- How long registrations are, and how many devices an account may have: what is set for the server
-- that reads (rtcadmin-7 reads as number 7), for all, or else what stands in ps_aors. Drop this view
-- before Asterisk's alembic scripts run, and make it again.
CREATE OR REPLACE VIEW rtcadmin_aors AS
SELECT a.id, a.contact, a.mailboxes, a.qualify_frequency, a.qualify_timeout,
    a.authenticate_qualify, a.support_path, a.remove_existing, a.remove_unavailable,
    coalesce(s.min_expires, a.minimum_expiration) AS minimum_expiration,
    coalesce(s.default_expires, a.default_expiration) AS default_expiration,
    coalesce(s.max_expires, a.maximum_expiration) AS maximum_expiration,
    coalesce(p.value::integer, s.max_devices, a.max_contacts) AS max_contacts
FROM ps_aors AS a
LEFT JOIN rtcadmin_preferences AS p ON p.name = 'max_devices/' || a.id
CROSS JOIN (
    SELECT told.* FROM (
        SELECT jsonb_object_agg(
            regexp_replace(name, '^[0-9]+:', ''), value ORDER BY name LIKE '%:%'
        ) AS given
        FROM rtcadmin_settings
        WHERE name NOT LIKE '%:%'
            OR 'rtcadmin-' || split_part(name, ':', 1) = current_setting('application_name')
    ) AS known, LATERAL jsonb_to_record(coalesce(given, '{}')) AS told (
        min_expires integer, default_expires integer, max_expires integer, max_devices integer
    )
) AS s;

GRANT SELECT, INSERT, UPDATE, DELETE ON rtcadmin_gateways, rtcadmin_trunks, rtcadmin_routes,
    rtcadmin_trusted_hosts, rtcadmin_dial_rules, rtcadmin_settings, rtcadmin_preferences
    TO "@USER@";
GRANT USAGE ON rtcadmin_gateways_id_seq, rtcadmin_trunks_id_seq, rtcadmin_routes_id_seq,
    rtcadmin_trusted_hosts_id_seq, rtcadmin_dial_rules_id_seq, rtcadmin_settings_id_seq,
    rtcadmin_preferences_id_seq TO "@USER@";
GRANT SELECT ON rtcadmin_config, rtcadmin_numbers, rtcadmin_callers, rtcadmin_aors TO "@USER@";
