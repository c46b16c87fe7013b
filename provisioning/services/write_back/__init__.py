"""Write-back: values of accounts, written into a directory."""
