"""What a FreeSWITCH 1.11.2 asked and answered, word for word but for what stands between @…@.

The forms are those of mod_xml_curl with the `enable-post-var` of the setup guide.
"""

VERSION = "FreeSWITCH Version 1.11.2-release~64bit ( 64bit)\n"

_FORM = "hostname=vm&section=directory&tag_name=domain&key_name=name&key_value=@DOMAIN@"
# Somebody signs in: for a REGISTER, or with another method for a call or a message.
SIGN_IN = (
    f"{_FORM}&action=sip_auth&sip_to_user=@TO_USER@&sip_to_host=@TO_HOST@"
    "&sip_auth_method=@METHOD@&key=id&user=@USER@&domain=@DOMAIN@"
)
# The dialplan, or somebody at the console of the server, asks whether there is such a user.
EXISTS = f"{_FORM}&key=id&user=@USER@&domain=@DOMAIN@"
# A user is rung.
CALL = f"{_FORM}&action=user_call&key=id&user=@USER@&domain=@DOMAIN@"
# A SIP profile starts that shall have gateways of users.
GATEWAYS = "hostname=vm&section=directory&tag_name=&key_name=&key_value=&purpose=gateways"
# An access list is made of the addresses of a domain's users.
NETWORKS = f"{_FORM}&domain=@DOMAIN@&purpose=network-list"

# The event socket.
HELLO = "Content-Type: auth/request\n\n"
ACCEPTED = "Content-Type: command/reply\nReply-Text: +OK accepted\n\n"
INVALID = "Content-Type: command/reply\nReply-Text: -ERR invalid\n\n"
GOODBYE = (
    "Content-Type: text/disconnect-notice\nContent-Length: 67\n\n"
    "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
)
STRANGER = "Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n"
ANSWER = "Content-Type: api/response\nContent-Length: @LENGTH@\n\n@BODY@"

UPTIME = "1\n"
COUNT = "\n@COUNT@ total.\n"
UNKNOWN_COMMAND = "-ERR @COMMAND@ Command not found!\n"
INVALID_PROFILE = "Invalid Profile [none]"
NO_PROFILE = "Invalid Profile!\n"
# For an account that nobody is registered for, too.
FLUSHED = "+OK flushing all registrations matching specified call_id\n"
PROFILES = """\
<?xml version="1.0" encoding="ISO-8859-1"?>
<profiles>
<profile>
<name>internal</name>
<type>profile</type>
<data>sip:mod_sofia@127.0.0.1:@PORT@</data>
<state>RUNNING (0)</state>
</profile>
</profiles>
"""
REGISTRATIONS = """\
<?xml version="1.0" encoding="ISO-8859-1"?>
<profile>
  <registrations>
@EACH@  </registrations>
</profile>
"""
# A minute longer than what the client was told: mod_sofia waits so long for it.
REGISTRATION = """\
    <registration>
        <call-id>@CALL_ID@</call-id>
        <user>@AOR@</user>
        <contact>&quot;&quot; &lt;@CONTACT@&gt;</contact>
        <agent>unknown</agent>
        <status>Registered(UDP)(unknown) exp(2026-11-29 10:27:15) expsecs(@SECONDS@)</status>
        <ping-status>Reachable</ping-status>
        <ping-time>0.00</ping-time>
        <host>vm</host>
        <network-ip>127.0.0.1</network-ip>
        <network-port>@PORT@</network-port>
        <sip-auth-user>@USER@</sip-auth-user>
        <sip-auth-realm>@DOMAIN@</sip-auth-realm>
        <mwi-account>@AOR@</mwi-account>
    </registration>
"""


def filled(text: str, **known: object) -> str:
    """`text` with each @NAME@ replaced."""
    for name, value in known.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    return text
