"""What drivers share that write rows into a SIP server's database.

Connections, errors, and set-based statements. It knows no driver.
"""
