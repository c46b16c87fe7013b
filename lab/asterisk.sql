-- The tables and columns that the lab's Asterisk and the console use, of Asterisk 22's own schema.
CREATE TYPE ast_bool_values AS ENUM ('0', '1', 'off', 'on', 'false', 'true', 'no', 'yes');
CREATE TYPE pjsip_auth_type_values_v2 AS ENUM ('md5', 'userpass', 'google_oauth');

CREATE TABLE ps_endpoints (
    id varchar(255) NOT NULL UNIQUE,
    transport varchar(40),
    aors varchar(2048),
    auth varchar(255),
    context varchar(40),
    message_context varchar(40),
    disallow varchar(200),
    allow varchar(200),
    direct_media ast_bool_values,
    rewrite_contact ast_bool_values,
    rtp_symmetric ast_bool_values,
    force_rport ast_bool_values,
    callerid varchar(40),
    mailboxes varchar(40)
);

CREATE TABLE ps_auths (
    id varchar(255) NOT NULL UNIQUE,
    auth_type pjsip_auth_type_values_v2,
    nonce_lifetime integer,
    md5_cred varchar(40),
    password varchar(80),
    realm varchar(255),
    username varchar(40),
    password_digest varchar(1024),
    supported_algorithms_uas varchar(1024),
    supported_algorithms_uac varchar(1024)
);

CREATE TABLE ps_aors (
    id varchar(255) NOT NULL UNIQUE,
    contact varchar(255),
    default_expiration integer,
    minimum_expiration integer,
    maximum_expiration integer,
    mailboxes varchar(80),
    max_contacts integer,
    remove_existing ast_bool_values,
    remove_unavailable ast_bool_values,
    qualify_frequency integer,
    qualify_timeout float,
    authenticate_qualify ast_bool_values,
    support_path ast_bool_values
);

CREATE TABLE ps_contacts (
    id varchar(255) NOT NULL UNIQUE,
    uri varchar(511),
    expiration_time bigint,
    qualify_frequency integer,
    outbound_proxy varchar(255),
    path text,
    user_agent varchar(255),
    qualify_timeout float,
    reg_server varchar(255),
    authenticate_qualify ast_bool_values,
    via_addr varchar(40),
    via_port integer,
    call_id varchar(255),
    endpoint varchar(255),
    prune_on_boot ast_bool_values,
    qualify_2xx_only ast_bool_values,
    UNIQUE (id, reg_server)
);

CREATE TABLE extensions (
    id bigserial PRIMARY KEY,
    context varchar(40) NOT NULL,
    exten varchar(40) NOT NULL,
    priority integer NOT NULL,
    app varchar(40) NOT NULL,
    appdata varchar(256) NOT NULL,
    UNIQUE (context, exten, priority)
);

-- What a new account gets: see docs/asterisk.md.
ALTER TABLE ps_aors ALTER max_contacts SET DEFAULT 10;
ALTER TABLE ps_endpoints ALTER disallow SET DEFAULT 'all', ALTER allow SET DEFAULT 'alaw,ulaw';
