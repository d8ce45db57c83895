-- Secrets of webhooks lie here sealed (shared/src/sealing.rs): none is ever written in clear.

ALTER TABLE webhook_endpoints
    ADD CHECK (secret LIKE 'sealed%:%'),
    ADD CHECK (previous_secret LIKE 'sealed%:%');
