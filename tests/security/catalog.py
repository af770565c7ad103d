"""Catalog of the attacks that the server must withstand, by section.

Maps the id of an attack to its description and to tests of other folders that cover it. An attack without such a test
is covered in this folder, by a test function whose name starts with the id. Each row stands for a class of attacks: add
further members of the class to its test.
"""

A_PARSING = {
    "A01": ("empty request body", "core/test_json_body_validation.py::test_json_body_malformed_returns_400"),
    "A03": (
        "JSON document that is not an object",
        "core/test_json_body_validation.py::test_json_body_non_object_returns_422_for_body",
    ),
    "A05": ("duplicate JSON key", "core/test_json_body_validation.py::test_json_body_malformed_returns_400"),
    "A07": (
        "unknown JSON fields (mass assignment)",
        "core/test_json_body_validation.py::test_unknown_field_returns_422",
    ),
    "A09": (
        "lone Unicode surrogates",
        "core/test_json_body_validation.py::test_json_field_wrong_type_or_value_returns_422",
    ),
    "A11": (
        "request body over the size limit",
        "core/test_json_body_validation.py::test_declared_length_over_limit_returns_413_unread",
    ),
    "A13": (
        "other content types and encodings",
        "core/test_json_body_validation.py::test_content_type_or_encoding_not_json_returns_415",
    ),
    "A15": (
        "JSON object with 100,000 keys",
        "core/test_json_body_validation.py::test_thousands_of_unknown_fields_are_rejected_fast",
    ),
    "A17": (
        "numbers of unusual size or form",
        "core/test_json_body_validation.py::test_json_field_wrong_type_or_value_returns_422",
    ),
    "A19": (
        "JSON fields in the query string",
        "core/test_json_body_validation.py::test_query_parameters_are_not_used_as_body_fields",
    ),
    "A21": (
        "attribute names and prototype pollution",
        "core/test_json_body_validation.py::test_unknown_field_returns_422",
    ),
    "A23": (
        "other HTTP methods",
        "core/test_error_responses.py::test_method_not_allowed_returns_405_with_allow_header",
    ),
    "A25": ("requests with flipped bits",),
}
B_REGISTRATION = {
    "B01": (
        "registration of an email address that has an account",
        "registration/test_registration_existing_email.py::test_decoy_code_is_rejected_by_every_method",
    ),
    "B03": (
        "account pre-hijacking",
        "registration/test_verification_ambiguous.py::test_verify_ignores_data_of_other_registration",
    ),
    "B05": ("CRLF injection in an email address",),
    "B07": ("several email addresses in one field",),
    "B09": ("quoted local parts and other malformed email addresses",),
    "B11": (
        "Unicode and punycode spelling of one domain",
        "registration/test_email_addresses.py::test_unicode_equivalent_emails_are_one_account",
    ),
    "B13": ("invisible and bidirectional characters in names",),
    "B15": ("unusual but valid email addresses",),
    "B17": (
        "passwords of extreme lengths",
        "registration/test_password_policy.py::test_password_strength_check_takes_under_one_second",
    ),
    "B19": (
        "passwords that differ only at the end",
        "registration/test_password_policy.py::test_login_compares_every_password_character",
    ),
    "B21": (
        "template code, links and HTML in names",
        "mail/test_mail_rendering.py::test_template_injection_in_name_is_not_evaluated",
    ),
    "B23": ("SQL injection in every field",),
    "B25": (
        "concurrent registrations of one email address",
        "registration/test_mail_rate_limits.py::test_concurrent_registers_respect_mail_rate_limit",
        "registration/test_registration_idempotent.py::test_concurrent_registers_are_idempotent",
        "registration/test_verification_ambiguous.py::test_concurrent_verifications_create_one_account",
    ),
    "B27": (
        "Redis or the mail server unavailable",
        "e2e/test_service_outages.py::test_register_while_redis_is_down_delays_mail",
        "mail/test_mail_delivery.py::test_unavailable_smtp_server_is_retried",
    ),
    "B29": ("user enumeration by the registration response",),
}
C_CODES = {
    "C01": (
        "code of a different registration",
        "registration/test_registration_responses.py::test_verify_with_code_of_other_user_is_rejected",
    ),
    "C03": ("right code after too many wrong ones",),
    "C05": (
        "burst of guesses",
        "registration/test_verification_limits.py::test_concurrent_verifications_stay_within_limit",
    ),
    "C07": (
        "reuse of a code",
        "registration/test_registration_responses.py::test_verify_with_used_code_is_rejected",
    ),
    "C09": (
        "code that a newer one replaced",
        "registration/test_verification_resend.py::test_resend_near_expiry_replaces_the_code",
    ),
    "C11": (
        "codes with Unicode lookalikes",
        "registration/test_otp_format.py::test_otp_with_unicode_lookalikes_counts_an_attempt",
    ),
    "C13": ("verification of a verified email address",),
    "C15": ("user enumeration by wrong codes",),
    "C17": (
        "mail flood by resend requests",
        "registration/test_mail_rate_limits.py::test_mail_rate_limit_is_20_per_day_per_email",
    ),
    "C19": (
        "predictable codes",
        "test_conventions.py::test_forbidden_clock_random_and_unsafe_calls_are_absent",
    ),
    "C21": (
        "codes in a dump of Redis or the database",
        "e2e/test_production_scenarios.py::test_full_scenario_leaves_no_secret_in_storage",
    ),
    "C23": (
        "links that a mail scanner follows",
        "web/test_security_link_pages.py::test_link_page_get_changes_nothing",
    ),
    "C25": (
        "attempts restored by a restart",
        "registration/test_verification_limits.py::test_verification_limits_survive_restart",
    ),
}
D_LOGIN = {
    "D01": (
        "user enumeration by the login response",
        "login/test_login.py::test_login_failure_response_prevents_enumeration",
    ),
    "D03": (
        "password hash with other cost parameters",
        "login/test_legacy_hash_upgrade.py::test_login_rehashes_weaker_argon2_parameters",
    ),
    "D05": ("right password of an account that may not sign in",),
    "D07": (
        "lockout of a user by wrong passwords",
        "login/test_recognised_devices.py::test_recognised_device_logs_in_from_any_ip_in_lockout",
        "passwords/test_password_reset_revokes.py::test_reset_clears_login_lockout",
    ),
    "D09": (
        "burst of guesses",
        "login/test_login_concurrency.py::test_concurrent_logins_from_six_ips_allow_ten_attempts",
    ),
    "D11": (
        "login to one's own account to reset the counter",
        "login/test_login_lockout.py::test_login_to_own_account_keeps_lockout_of_other_email",
    ),
    "D13": (
        "password spraying",
        "login/test_login_lockout.py::test_attack_halves_attempts_and_records_event",
    ),
    "D15": (
        "SQL wildcards in the email address",
        "login/test_login.py::test_login_email_with_sql_wildcards_matches_nothing",
    ),
    "D17": ("overlong passwords", "login/test_login.py::test_login_with_overlong_password_is_not_hashed"),
    "D19": ("session fixation",),
    "D21": (
        "other endpoints that compare a password",
        "login/test_login_concurrency.py::test_reauthentication_failures_count_against_login",
        "passwords/test_password_change.py::test_change_password_shares_attempts_with_login",
    ),
    "D23": (
        "unlimited sessions",
        "sessions/test_session_management.py::test_login_beyond_20_sessions_evicts_oldest",
    ),
    "D25": ("unreadable password hashes", "login/test_login.py::test_login_with_unreadable_hash_is_rejected"),
}
FORGED_TOKEN_TEST, FORGED_CLAIMS_TEST = (
    "signing_keys/test_jwt_forgery.py::test_forged_jwt_is_rejected_without_user_query",
    "signing_keys/test_jwt_forged_claims.py::test_jwt_with_wrong_claim_is_rejected",
)
E_ACCESS_TOKENS = {
    "E01": ("unsigned and forged tokens at every route", FORGED_TOKEN_TEST),
    "E03": ("algorithm confusion: public key as HMAC secret", FORGED_TOKEN_TEST),
    "E05": ("the server's key with a different algorithm", FORGED_TOKEN_TEST),
    "E07": ("key ids and headers that reference other keys", FORGED_TOKEN_TEST),
    "E09": ("unencoded payload (RFC 7797)", FORGED_TOKEN_TEST),
    "E11": ("timestamps in the future", FORGED_CLAIMS_TEST),
    "E13": ("other audiences", FORGED_CLAIMS_TEST),
    "E15": ("tokens of a different type", FORGED_TOKEN_TEST),
    "E17": (
        "duplicate claim",
        FORGED_TOKEN_TEST,
        "signing_keys/test_jwt_forged_claims.py::test_jwt_with_non_object_payload_is_rejected",
    ),
    "E19": ("encrypted and compressed tokens", FORGED_TOKEN_TEST),
    "E21": (
        "token of a revoked session",
        "sessions/test_logout.py::test_logout_invalidates_token_in_all_processes",
    ),
    "E23": (
        "retired keys and keys that are not yet in use",
        "signing_keys/test_signing_key_rotation.py::test_old_key_is_deleted_after_its_last_token_expires",
        "signing_keys/test_signing_key_rotation.py::test_all_processes_load_next_key_before_it_signs",
    ),
    "E25": (
        "database unavailable during token verification",
        "core/test_database_unavailable.py::test_database_down_returns_503_and_recovers",
    ),
    "E27": ("signatures of zeros and malleable signatures", FORGED_TOKEN_TEST),
    "E29": (
        "private key parts in the JWKS",
        "signing_keys/test_jwt_access_tokens.py::test_jwks_contains_only_public_key_fields",
    ),
    "E31": (
        "reuse of single-use tokens",
        "security_alerts/test_revert_email_change.py::test_revert_link_is_single_use_in_a_burst",
    ),
}
F_SESSIONS = {
    "F01": (
        "reuse of an old refresh token",
        "sessions/test_refresh_token_rotation.py::test_refresh_token_reuse_revokes_session_and_notifies",
    ),
    "F03": (
        "concurrent reuse in two processes",
        "sessions/test_refresh_token_rotation.py::test_concurrent_refreshes_agree_across_processes",
    ),
    "F05": (
        "refresh during revocation",
        "sessions/test_logout.py::test_concurrent_refresh_and_logout_leave_no_session",
        "user_admin/test_disable_user.py::test_disable_revokes_concurrent_logins_and_refreshes",
    ),
    "F07": (
        "malformed refresh tokens",
        "sessions/test_refresh_token_forgery.py::test_malformed_refresh_token_is_rejected",
    ),
    "F09": (
        "refresh by a disabled user",
        "user_admin/test_disable_user.py::test_disable_revokes_all_sessions",
    ),
    "F11": ("refresh with wider scope",),
    "F13": (
        "altered refresh tokens",
        "sessions/test_refresh_token_forgery.py::test_forged_refresh_token_has_no_effect",
    ),
    "F15": (
        "repeated logout, logout of other users",
        "sessions/test_logout.py::test_logout_is_idempotent",
    ),
    "F17": ("logout by a link (GET)", "sessions/test_logout.py::test_logout_by_get_is_not_allowed"),
    "F19": ("tokens in URLs and in the log",),
    "F21": (
        "refresh that restores a revoked session",
        "sessions/test_refresh_token_rotation.py::test_refresh_reuse_after_logout_is_rejected",
    ),
    "F23": (
        "ten thousand sessions of one user",
        "sessions/test_session_management.py::test_logged_out_sessions_do_not_count_toward_limit",
    ),
}
G_PASSWORDS = {
    "G01": (
        "user enumeration by a password reset",
        "passwords/test_password_reset.py::test_reset_mail_for_unknown_email_is_discarded",
    ),
    "G03": ("several or lookalike email addresses",),
    "G05": (
        "codes from before the reset",
        "security_alerts/test_access_revocation.py::test_revocation_invalidates_pending_codes",
        "passwords/test_password_reset.py::test_used_reset_code_revokes_all_others",
        "passwords/test_password_change.py::test_change_password_revokes_reset_codes",
    ),
    "G07": (
        "code of a different user or purpose",
        "passwords/test_password_reset.py::test_reset_with_code_of_other_user_is_rejected",
    ),
    "G09": ("skipped steps",),
    "G11": (
        "weak and repeated passwords",
        "passwords/test_password_change.py::test_change_to_same_unicode_password_is_rejected",
    ),
    "G13": (
        "concurrent password changes",
        "passwords/test_password_change.py::test_concurrent_password_changes_one_succeeds",
        "login/test_legacy_hash_upgrade.py::test_rehash_does_not_overwrite_changed_password",
    ),
    "G15": (
        "token leak by the Referer header or scripts",
        "web/test_page_requests.py::test_page_has_security_headers",
    ),
    "G19": (
        "mail that cannot be sent",
        "mail/test_mail_outbox.py::test_unavailable_broker_does_not_block_outbox_delivery",
    ),
}
H_EMAIL_CHANGE = {
    "H01": ("token that is not fresh", "email_change/test_email_change.py::test_email_change_requires_fresh_token"),
    "H03": (
        "code of a different change",
        "email_change/test_email_change.py::test_newest_email_change_code_is_bound_to_its_email",
    ),
    "H05": (
        "change that outlives a password reset",
        "email_change/test_email_change.py::test_password_reset_cancels_pending_email_change",
    ),
    "H07": (
        "guessed, used or concurrent links",
        "security_alerts/test_revert_email_change.py::test_invalid_revert_link_changes_nothing",
    ),
    "H09": (
        "unverified email address",
        "email_change/test_email_change.py::test_unconfirmed_email_change_keeps_the_old_email",
    ),
}
I_PROFILES = {
    "I01": ("profile of a different user", "profile/test_profile.py::test_get_profile_ignores_ids_of_other_users"),
    "I03": (
        "invalid countries",
        "profile/test_profile.py::test_edit_profile_with_invalid_value_is_rejected",
    ),
    "I05": (
        "mass assignment of protected fields",
        "profile/test_profile.py::test_edit_profile_of_protected_field_is_rejected",
    ),
    "I07": (
        "web cache deception",
        "profile/test_profile.py::test_get_profile_with_path_suffix_is_not_found",
    ),
    "I09": (
        "user disabled between authorization and view",
        "user_admin/test_disable_user.py::test_disable_revokes_concurrent_logins_and_refreshes",
    ),
    "I11": (
        "account deletion without the password, or twice concurrently",
        "account_deletion/test_account_deletion.py::test_parallel_delete_account_happens_once",
    ),
    "I13": ("secrets in the data export", "profile/test_account_export.py::test_export_contains_no_secrets"),
}
J_AVATARS = {
    "J01": (
        "files that are not images",
        "avatars/test_avatar_rejected_files.py::test_polyglot_file_is_stored_as_image_only",
    ),
    "J03": (
        "truncated and corrupted images",
        "avatars/test_avatar_rejected_files.py::test_corrupted_image_bytes_cause_no_exception",
    ),
    "J05": (
        "oversized multipart forms",
        "avatars/test_avatar_multipart.py::test_multipart_with_too_many_parts_is_too_large",
    ),
    "J07": (
        "location in image metadata",
        "avatars/test_avatar_rejected_files.py::test_exif_location_and_camera_metadata_are_removed",
    ),
    "J09": ("path traversal", "avatars/test_avatars.py::test_avatar_changes_do_not_affect_other_users"),
    "J11": (
        "concurrent uploads",
        "avatars/test_avatar_concurrency.py::test_parallel_uploads_keep_one_avatar_and_one_file",
    ),
    "J13": ("one hundred uploads", "avatars/test_avatars.py::test_avatar_rate_limit_is_thirty_uploads_per_hour"),
}
M_HTTP = {
    "M01": ("request smuggling",),
    "M03": ("headers with underscores",),
    "M05": ("CORS preflight requests",),
    "M07": (
        "security headers on every response",
        "core/test_error_responses.py::test_hsts_header_is_sent_only_with_https_public_url",
    ),
    "M09": (
        "Host header injection",
        "core/test_error_responses.py::test_host_header_injection_causes_no_redirect",
    ),
    "M11": (
        "response splitting",
        "core/test_error_responses.py::test_request_id_valid_is_kept_invalid_is_replaced",
    ),
    "M13": ("Slowloris: 500 incomplete requests",),
    "M15": ("exposed operator pages", "health/test_readiness.py::test_readiness_details_are_hidden_behind_proxy"),
    "M17": ("protocol upgrades, conditional requests, ambiguous paths",),
}
N_RATE_LIMITS = {
    "N01": ("spoofed client IP addresses", "core/test_client_ip.py::test_rate_limit_ignores_spoofed_forwarded_for"),
    "N03": ("invalid client IP addresses", "core/test_client_ip.py::test_rate_limit_counts_peer_without_an_address"),
    "N05": (
        "counters across restarts and processes",
        "login/test_login_lockout.py::test_lockout_survives_restart",
        "login/test_login_concurrency.py::test_login_attempts_are_counted_across_processes",
    ),
    "N07": (
        "rate-limit keys built from input",
        "login/test_login_lockout.py::test_lockout_ignores_email_case",
    ),
    "N09": ("user enumeration by rate limits", "login/test_login_lockout.py::test_email_lockout_prevents_enumeration"),
    "N11": ("growing lockouts with Retry-After", "login/test_login_lockout.py::test_lockout_lasts_its_full_duration"),
    "N13": (
        "cheap requests that cost a password hash",
        "core/test_hashing_pool.py::test_login_and_register_when_overloaded_return_503",
    ),
}
O_ENVIRONMENT = {
    "O01": ("log injection", "core/test_logging.py::test_log_injection_cannot_forge_a_line"),
    "O03": ("insecure settings", "settings/test_settings.py::test_production_rejects_weak_settings"),
    "O05": (
        "unknown settings",
        "settings/test_settings.py::test_unknown_flaskauth_setting_is_rejected",
    ),
    "O07": ("forged broker messages", "e2e/test_service_outages.py::test_forged_celery_message_is_ignored_by_worker"),
    "O09": (
        "dangerous code and disabled TLS verification",
        "test_conventions.py::test_forbidden_clock_random_and_unsafe_calls_are_absent",
        "test_conventions.py::test_tls_certificate_verification_is_never_disabled",
    ),
    "O11": ("altered audit log", "audit/test_audit_tampering.py::test_altered_event_is_detected"),
    "O13": (
        "database schema of a different version",
        "health/test_readiness.py::test_readiness_missing_schema_returns_503",
    ),
}

ATTACKS: dict[str, tuple[str, ...]] = {
    **A_PARSING,
    **B_REGISTRATION,
    **C_CODES,
    **D_LOGIN,
    **E_ACCESS_TOKENS,
    **F_SESSIONS,
    **G_PASSWORDS,
    **H_EMAIL_CHANGE,
    **I_PROFILES,
    **J_AVATARS,
    **M_HTTP,
    **N_RATE_LIMITS,
    **O_ENVIRONMENT,
}

# Attacks that do not apply, with the reason.
NOT_APPLICABLE = {
    "G17": "operators cannot set or read a user's password",
    "G21": "an installation has one tenant",
    "H11": "there is no sign-in with an external identity provider",
    "I15": "no endpoint fetches a URL from a request",
}
