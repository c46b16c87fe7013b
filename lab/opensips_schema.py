"""The tables of an OpenSIPS that the console knows, with the versions and columns of a release."""

COMMON = """\
CREATE TABLE version (
    table_name VARCHAR(32) NOT NULL UNIQUE, table_version INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE subscriber (
    id {id}, username VARCHAR(64) NOT NULL DEFAULT '', domain VARCHAR(64) NOT NULL DEFAULT '',
    password VARCHAR(25) NOT NULL DEFAULT '', ha1 VARCHAR(64) NOT NULL DEFAULT '',
    ha1_sha256 VARCHAR(64) NOT NULL DEFAULT '', ha1_sha512t256 VARCHAR(64) NOT NULL DEFAULT ''
    {subscriber}, UNIQUE (username, domain)
);
CREATE TABLE dbaliases (
    id {id}, alias_username VARCHAR(64) NOT NULL DEFAULT '',
    alias_domain VARCHAR(64) NOT NULL DEFAULT '', username VARCHAR(64) NOT NULL DEFAULT '',
    domain VARCHAR(64) NOT NULL DEFAULT '', UNIQUE (alias_username, alias_domain)
);
CREATE TABLE domain (
    id {id}, domain VARCHAR(64) NOT NULL DEFAULT '' UNIQUE, attrs VARCHAR(255)
    {domain}, last_modified {time} NOT NULL DEFAULT '1900-01-01 00:00:01'
);
CREATE TABLE location (
    contact_id {long_id}, username VARCHAR(64) NOT NULL DEFAULT '', domain VARCHAR(64),
    contact TEXT NOT NULL, received VARCHAR(255), path VARCHAR(255), expires INTEGER NOT NULL,
    q REAL NOT NULL DEFAULT 1.0, callid VARCHAR(255) NOT NULL DEFAULT '',
    cseq INTEGER NOT NULL DEFAULT 13,
    last_modified {time} NOT NULL DEFAULT '1900-01-01 00:00:01', flags INTEGER NOT NULL DEFAULT 0,
    cflags VARCHAR(255), user_agent VARCHAR(255) NOT NULL DEFAULT '', socket VARCHAR(64),
    methods INTEGER, sip_instance VARCHAR(255), kv_store TEXT, attr VARCHAR(255)
);
CREATE TABLE address (
    id {id}, grp SMALLINT NOT NULL DEFAULT 0, ip VARCHAR(50) NOT NULL,
    mask SMALLINT NOT NULL DEFAULT 32, port SMALLINT NOT NULL DEFAULT 0,
    proto VARCHAR(4) NOT NULL DEFAULT 'any', pattern VARCHAR(64), context_info VARCHAR(32)
);
CREATE TABLE dr_gateways (
    id {id}, gwid VARCHAR(64) NOT NULL UNIQUE, type INTEGER NOT NULL DEFAULT 0,
    address VARCHAR(128) NOT NULL, strip INTEGER NOT NULL DEFAULT 0, pri_prefix VARCHAR(16),
    attrs VARCHAR(255), probe_mode INTEGER NOT NULL DEFAULT 0, state INTEGER NOT NULL DEFAULT 0,
    socket VARCHAR(128), description VARCHAR(128)
);
CREATE TABLE dr_rules (
    ruleid {id}, groupid VARCHAR(255) NOT NULL, prefix VARCHAR(64) NOT NULL, timerec VARCHAR(255),
    priority INTEGER NOT NULL DEFAULT 0, routeid VARCHAR(255), gwlist VARCHAR(255),
    sort_alg VARCHAR(1) NOT NULL DEFAULT 'N', sort_profile INTEGER, attrs VARCHAR(255),
    description VARCHAR(128)
);
CREATE TABLE dr_carriers (
    id {id}, carrierid VARCHAR(64) NOT NULL UNIQUE, gwlist VARCHAR(255) NOT NULL,
    flags INTEGER NOT NULL DEFAULT 0, sort_alg VARCHAR(1) NOT NULL DEFAULT 'N',
    state INTEGER NOT NULL DEFAULT 0, attrs VARCHAR(255), description VARCHAR(128)
);
CREATE TABLE dialplan (
    id {id}, dpid INTEGER NOT NULL, pr INTEGER NOT NULL DEFAULT 0, match_op INTEGER NOT NULL,
    match_exp VARCHAR(64) NOT NULL, match_flags INTEGER NOT NULL DEFAULT 0, subst_exp VARCHAR(64),
    repl_exp VARCHAR(32), timerec VARCHAR(255), disabled INTEGER NOT NULL DEFAULT 0,
    attrs VARCHAR(255)
);
CREATE TABLE dr_groups (
    id {id}, username VARCHAR(64) NOT NULL, domain VARCHAR(128),
    groupid INTEGER NOT NULL DEFAULT 0, description VARCHAR(128)
);
INSERT INTO version (table_name, table_version) VALUES
    ('subscriber', 8), ('dbaliases', 2), ('domain', {domain_version}), ('location', 1013),
    ('address', 5), ('dr_gateways', 6), ('dr_rules', 4), ('dr_carriers', 3), ('dr_groups', 2),
    ('dialplan', 5);
"""
DIALECTS = {
    "db_sqlite": {
        "id": "INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL",
        "long_id": "INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL",
        "time": "DATETIME",
    },
    "postgres": {
        "id": "SERIAL PRIMARY KEY NOT NULL",
        "long_id": "BIGSERIAL PRIMARY KEY NOT NULL",
        "time": "TIMESTAMP WITHOUT TIME ZONE",
    },
    "mysql": {
        "id": "INT UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL",
        "long_id": "BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL",
        "time": "DATETIME",
    },
}
# What differs: 3.6 has another version of `domain`, and fewer columns of accounts.
RELEASES = {
    "3.4": {
        "domain_version": "3",
        "domain": "",
        "subscriber": ", email_address VARCHAR(64) NOT NULL DEFAULT '', rpid VARCHAR(64)",
    },
    "3.6": {
        "domain_version": "4",
        "domain": ", accept_subdomain INTEGER NOT NULL DEFAULT 0",
        "subscriber": "",
    },
}


def schema(release: str, dialect: str) -> str:
    """The statements that make the tables of `release`, such as 3.6, in a dialect of DIALECTS."""
    return COMMON.format(**DIALECTS[dialect], **RELEASES[release])
