"""What tests share: builders of a running service, of tenants, of machines."""
