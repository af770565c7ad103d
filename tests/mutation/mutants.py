"""Mutants: mistakes a developer could make in `src/flaskauth`, and the tests that must fail for each."""

from dataclasses import dataclass

INTERLEAVING_TESTS = "tests/concurrency/test_interleaved_"
AMBIGUOUS_TESTS = "tests/registration/test_verification_ambiguous.py"
TAKEOVER_TESTS = (
    "tests/security_alerts/test_takeover_recovery.py",
    "tests/security_alerts/test_takeover_search.py",
)
SUSPICIOUS_TESTS = "tests/security_alerts/test_suspicious_sessions.py"


@dataclass(frozen=True)
class Mutant:
    """One change of one file below `src/flaskauth`.

    Args:
        kind: the class of mistake, shared by several mutants.
        old: the original code, which occurs exactly once in the file.
        tests: pytest node ids, of which at least one must fail.
    """

    kind: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "request count lost",
        "core/http/request_limits.py",
        "self.count, self.resets_at = total + self.unsent, resets_at",
        "self.count, self.resets_at = total, resets_at",
        ("tests/core/test_request_limits.py::test_rate_limit_counts_a_request_during_an_exchange",),
    ),
    Mutant(
        "limit not divided without Redis",
        "core/http/request_limits.py",
        " or (not self._is_shared and window.unsent >= rule.share)",
        "",
        ("tests/core/test_request_limits.py::test_rate_limit_without_redis_is_the_share_of_a_process",),
    ),
    Mutant(
        "request count reset by a restart",
        "core/http/request_limits.py",
        "                if self._redis:\n                    self._unrec",
        "                if self._redis and count and not wait:\n                    self._unrec",
        ("tests/core/test_request_limits.py::test_rate_limit_is_read_by_a_process_that_only_tests_it",),
    ),
    Mutant(
        "fast path differs from Flask",
        "server/fast_path.py",
        'environ.get("HTTP_ACCEPT_LANGUAGE", "")',
        '""',
        ("tests/server/test_fast_path.py::test_profile_fast_path_equals_flask_response",),
    ),
    Mutant(
        "batch waits for a locked row",
        "sessions/routes.py",
        "now, skips_locked=True",
        "now, skips_locked=False",
        ("tests/concurrency/test_refresh_batches.py::test_batch_with_a_locked_session_refreshes_the_others",),
    ),
    Mutant(
        "work differs for an unknown address",
        "registration/pending.py",
        '        rate_limits.decrement([b""])\n',
        "        pass\n",
        ("tests/registration/test_email_enumeration.py::test_resend_costs_the_same_for_each_address_of_a_network",),
    ),
    Mutant(
        "work differs for an unknown address",
        "login/mailed_codes.py",
        "    state = SUPPRESSED if is_suppressed else QUEUED\n",
        '    state = SUPPRESSED if is_suppressed else "discarded" if code.is_decoy else QUEUED\n',
        ("tests/passwords/test_password_reset.py::test_reset_mail_for_unknown_email_is_discarded",),
    ),
    Mutant(
        "decoy mailed",
        "mail/delivery.py",
        "    if code is None or link is None:\n",
        "    if link is None:\n",
        ("tests/passwords/test_password_reset.py::test_reset_mail_for_unknown_email_is_discarded",),
    ),
    Mutant(
        "personal data in logs",
        "core/observability/log.py",
        "    _state.shows_exception_text = settings.is_development\n",
        "    _state.shows_exception_text = True\n",
        ("tests/core/test_log_destination.py::test_production_exception_omits_its_text",),
    ),
    Mutant(
        "personal data in logs",
        "mounting.py",
        "        logging.getLogger(app.name).addFilter(log.strip_exception)",
        "        logging.getLogger(app.name)",
        ("tests/core/test_log_destination.py::test_production_exception_omits_its_text",),
    ),
    Mutant(
        "row count ignored",
        "one_time_codes/verification.py",
        """        if not execute_count(usable.values(used_at=now, request_expires_at=now)):
            raise InvalidCode
""",
        """        execute_count(usable.values(used_at=now, request_expires_at=now))
""",
        (f"{INTERLEAVING_TESTS}codes.py::test_interleaved_code_or_link_use_succeeds_once",),
    ),
    Mutant(
        "row count ignored",
        "one_time_codes/links.py",
        """    if not execute_count(usable.values(used_at=clock.now())):
        return None
""",
        """    execute_count(usable.values(used_at=clock.now()))
""",
        ("tests/security_alerts/test_revert_email_change.py",),
    ),
    Mutant(
        "row count ignored",
        "sessions/service.py",
        """    return statement.rowcount(**ids, **generations, now=now, idle_expiry=idle_expires_at) == len(rows)
""",
        """    statement.rowcount(**ids, **generations, now=now, idle_expiry=idle_expires_at)
    return True
""",
        (
            f"{INTERLEAVING_TESTS}refresh.py::test_refresh_read_before_revocation_is_rejected",
            "tests/concurrency/test_refresh_batches.py::test_batch_that_loses_a_race_refreshes_the_others",
        ),
    ),
    Mutant(
        "second use of a token in a batch",
        "sessions/routes.py",
        """        if token is None or token.session_id in tokens:
            continue
""",
        """        if token is None or token.session_id in tokens:
            environ[REQUEST_TIME] = now
            continue
""",
        ("tests/concurrency/test_refresh_batches.py::test_batch_with_a_session_twice_is_reuse_if_strict",),
    ),
    Mutant(
        "row count ignored",
        "login/service.py",
        """    if not accounts.record_login(user.id, user.credential_version):
        raise InvalidCredentials
""",
        """    accounts.record_login(user.id, user.credential_version)
""",
        (f"{INTERLEAVING_TESTS}login.py::test_password_verified_before_revocation_is_rejected",),
    ),
    Mutant(
        "attempt counted after the comparison",
        "one_time_codes/verification.py",
        """    counted = commit_now(_count_attempt_by_id, submitted.purpose, code_id)
    row = db.session.get(OneTimeCode, code_id)
""",
        """    row = db.session.get(OneTimeCode, code_id)
    has_attempts_left = row is not None and row.attempts < MAX_ATTEMPTS_BY_ID
    if has_attempts_left and row.purpose == submitted.purpose and _is_correct(row, submitted.code):
        return VerifiedCode(row.id, row.nonce, row.normalized_email, None)
    counted = commit_now(_count_attempt_by_id, submitted.purpose, code_id)
    row = db.session.get(OneTimeCode, code_id)
""",
        (f"{INTERLEAVING_TESTS}codes.py::test_right_code_counted_after_last_attempt_is_rejected",),
    ),
    Mutant(
        "attempt counted after the comparison",
        "login/throttling.py",
        """    result = commit_now(count_attempt, attempt, is_under_attack())
""",
        """    uncounted = AttemptResult(RateLimitResult((), True, None), True, True)
    if value := compare(uncounted):
        return value, uncounted
    result = commit_now(count_attempt, attempt, is_under_attack())
""",
        (f"{INTERLEAVING_TESTS}codes.py::test_right_password_counted_after_last_attempt_is_rejected",),
    ),
    Mutant(
        "failures forgotten when the hash process is killed",
        "login/throttling.py",
        """        cancel(result)
""",
        """        refund(attempt, result)
""",
        ("tests/core/test_hash_process.py::test_killed_hash_process_keeps_earlier_failures",),
    ),
    Mutant(
        "attempt counted inside the request's transaction",
        "one_time_codes/verification.py",
        "commit_now(_count_attempt_by_id, submitted.purpose, code_id)",
        "_count_attempt_by_id(submitted.purpose, code_id)",
        (f"{INTERLEAVING_TESTS}codes.py::test_code_attempt_is_counted_before_the_response",),
    ),
    Mutant(
        "attempt counted inside the request's transaction",
        "one_time_codes/verification.py",
        "commit_now(_count_attempt_by_email, submitted.purpose, normalized_email, submitted.network)",
        "_count_attempt_by_email(submitted.purpose, normalized_email, submitted.network)",
        (f"{INTERLEAVING_TESTS}codes.py::test_code_attempt_is_counted_before_the_response",),
    ),
    Mutant(
        "attempt counted inside the request's transaction",
        "login/throttling.py",
        "commit_now(count_attempt, attempt, is_under_attack())",
        "count_attempt(attempt, is_under_attack())",
        (f"{INTERLEAVING_TESTS}codes.py::test_password_attempt_is_counted_before_the_response",),
    ),
    Mutant(
        "mail dispatched before the commit",
        "mail/outbox.py",
        "after_commit(notify_worker)",
        "notify_worker()",
        (f"{INTERLEAVING_TESTS}outbox.py", "tests/mail/test_mail_outbox.py"),
    ),
    Mutant(
        "mail dispatched before the commit",
        "mail/outbox.py",
        """    insert_row(mail)
""",
        """    from flaskauth.core.db.session import db
    with db.sessionmaker(expire_on_commit=False) as other_session:
        other_session.add(mail)
        other_session.commit()
""",
        (f"{INTERLEAVING_TESTS}outbox.py", "tests/mail/test_mail_outbox.py"),
    ),
    Mutant(
        "X-Forwarded-For trusted from any client",
        "core/http/request.py",
        "client_from_forwarded(hops, settings().trusted_proxies)",
        "client_from_forwarded(hops[:1], ())",
        ("tests/core/test_client_ip.py",),
    ),
    Mutant(
        "secrets compared with ==",
        "core/crypto.py",
        "return hmac.compare_digest(left, right)",
        "return left == right",
        ("tests/core/test_timing_safe_comparison.py",),
    ),
    Mutant(
        "secrets compared with ==",
        "sessions/refresh_tokens.py",
        "crypto.compare_digest(self.mac, mac) for mac in macs",
        "self.mac == mac for mac in macs",
        ("tests/core/test_timing_safe_comparison.py",),
    ),
    Mutant(
        "secrets compared with ==",
        "one_time_codes/derivation.py",
        "return any([crypto.compare_digest(code.encode(), candidate.encode()) for candidate in candidate_codes(row)])",
        "return code in candidate_codes(row)",
        ("tests/core/test_timing_safe_comparison.py",),
    ),
    Mutant(
        "email collation ignores case and accents",
        "core/db/types.py",
        """    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return value.encode() if value is not None else None

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return bytes(value).decode() if value is not None else None
""",
        """    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        column_type = mysql.VARCHAR(self.length, collation="utf8mb4_general_ci")
        return dialect.type_descriptor(column_type if _is_mysql(dialect) else Text(collation="NOCASE"))
""",
        ("tests/registration/test_email_addresses.py::test_unicode_emails_equal_by_collation_are_two_accounts",),
    ),
    Mutant(
        "encoded word in an email address",
        "core/email_addresses.py",
        """        ENCODED_WORD_START not in variants
        and SPECIALS""",
        """        SPECIALS""",
        (
            "tests/registration/test_email_addresses.py::test_register_with_invalid_email_has_no_side_effects",
            "tests/mail/test_mail_delivery.py::test_ambiguous_recipient_is_never_sent",
        ),
    ),
    Mutant(
        "compatibility form of an email address not tested",
        "core/email_addresses.py",
        """unicodedata.normalize('NFKD', part)""",
        """part""",
        ("tests/registration/test_email_addresses.py::test_register_with_invalid_email_has_no_side_effects",),
    ),
    Mutant(
        "case folding of email addresses",
        "core/email_addresses.py",
        "local.lower()",
        "local.casefold()",
        ("tests/registration/test_email_addresses.py::test_unicode_emails_equal_by_collation_are_two_accounts",),
    ),
    Mutant(
        "rendered mail not compared with its recipient",
        "mail/serialization.py",
        """values["To"] != recipient""",
        """not values["To"]""",
        ("tests/mail/test_mail_serialization.py",),
    ),
    Mutant(
        "replay in the reuse interval creates a new successor",
        "sessions/service.py",
        """_accept_late_replay(session)):
        return _build_tokens(session)
""",
        """_accept_late_replay(session)):
        session.generation += 1
        db.session.flush()
        return _build_tokens(session)
""",
        (
            f"{INTERLEAVING_TESTS}refresh.py::test_interleaved_refresh_returns_the_same_successor",
            "tests/sessions/test_refresh_token_rotation.py::test_refresh_reuse_in_interval_returns_same_successor",
        ),
    ),
    Mutant(
        "row not read again after a lost UPDATE",
        "sessions/service.py",
        "        current = []\n",
        "        rows, current = [None if row in current else row for row in rows], []\n",
        (f"{INTERLEAVING_TESTS}refresh.py::test_interleaved_refresh_returns_the_same_successor",),
    ),
    Mutant(
        "second spelling of a path",
        "core/http/app.py",
        """            if path.startswith("//") or has_encoded_path(request.environ):  # werkzeug ignores slashes
""",
        """            if has_encoded_path(request.environ):
""",
        ("tests/core/test_url_paths.py::test_other_spelling_of_any_path_is_not_found",),
    ),
    Mutant(
        "unreadable header is absent",
        "server/wsgi_adapter.py",
        """        header_items += [(name, UNREADABLE) for name in unreadable]
""",
        """        pass
""",
        ("tests/server/test_request_buffer_errors.py::test_non_ascii_proxy_header_hides_the_mailbox",),
    ),
    Mutant(
        "DNS rebinding",
        "core/http/request.py",
        """    return is_developer(peer, dev_hosts) and (is_known_host or _parse_address(host) is not None)
""",
        """    return is_developer(peer, dev_hosts)
""",
        ("tests/core/test_dev_hosts.py::test_mailbox_is_hidden_from_rebinding_and_proxies",),
    ),
    Mutant(
        "recognition not required",
        "sessions/service.py",
        """    if not settings().refresh_token_reuse_interval or not devices.is_network_recognised(
        session.user_id, client_network()
    ):
        return False
""",
        """    if not settings().refresh_token_reuse_interval:
        return False
""",
        ("tests/sessions/test_refresh_late_replay.py::test_late_replay_from_other_network_revokes_session",),
    ),
    Mutant(
        "rate limit reads, then writes",
        "rate_limits/service.py",
        """    counters = statements.increment({key: now + rate_limit.window for key, rate_limit in limits})
""",
        """    rows = statements._counters(len(keys)).all(**statements.list_values("key", keys))
    counts = {row.key: row.count for row in rows}
    counters = statements.increment({key: now + rate_limit.window for key, rate_limit in limits})
    counters = {key: row._replace(count=counts.get(key, 0) + 1) for key, row in counters.items()}
""",
        (f"{INTERLEAVING_TESTS}rate_limits.py::test_interleaved_rate_limit_hits_never_exceed_the_limit",),
    ),
    Mutant(
        "decoy writes no row",
        "registration/pending.py",
        """    insert_row(registration)
""",
        """    if owner is None:
        insert_row(registration)
""",
        ("tests/registration/test_email_enumeration.py", "tests/registration/test_registration_existing_email.py"),
    ),
    Mutant(
        "decoy writes no row",
        "passwords/service.py",
        """    mail.notify("passwords/reset_code", mailed.recipient, code=mailed.code, state=mailed.state)
""",
        """    if mailed.user_id:
        mail.notify("passwords/reset_code", mailed.recipient, code=mailed.code, state=mailed.state)
""",
        ("tests/passwords/test_password_reset.py",),
    ),
    Mutant(
        "required factor ignored",
        "sessions/decorators.py",
        "if auth.must_enrol and not",
        "if False and not",
        ("tests/mfa/test_factor_policy.py::test_required_factor_rejects_all_but_enrolment_routes",),
    ),
    Mutant(
        "lost factor removed for an unrecognised client",
        "factor_reset/service.py",
        "        and is_recognised\n",
        "",
        ("tests/factor_reset/test_lost_factor.py::test_lost_factor_of_unauthorised_client_is_decoy",),
    ),
    Mutant(
        "lost factor removed after a password reset",
        "factor_reset/service.py",
        """        and not audit_log.has_event(user.id, "password_reset", clock.now() - PERIOD_WITHOUT_RESET)
""",
        "",
        ("tests/factor_reset/test_lost_factor.py::test_lost_factor_of_unauthorised_client_is_decoy",),
    ),
    Mutant(
        "proven factor does not cancel a factor reset",
        "login/service.py",
        "        pending_resets.cancel(user.id)",
        "        pass",
        ("tests/factor_reset/test_lost_factor.py::test_proven_factor_cancels_the_removal",),
    ),
    Mutant(
        "proven factor does not cancel a factor reset",
        "login/reauthentication.py",
        "        pending_resets.cancel(user_id)",
        "        pass",
        ("tests/factor_reset/test_lost_factor.py::test_proven_factor_cancels_the_removal",),
    ),
    Mutant(
        "recovery code of a failed sign-in lost",
        "login/second_factor.py",
        "    challenges.consume(challenge_id)\n",
        "    factor.consume()\n    challenges.consume(challenge_id)\n",
        ("tests/mfa/test_recovery_codes.py::test_recovery_code_of_failed_sign_in_stays_unused",),
    ),
    Mutant(
        "a failure of one user stops the job for others",
        "core/db/session.py",
        "            failures.append(error)",
        "            raise",
        ("tests/factor_reset/test_lost_factor.py::test_failed_job_for_one_user_does_not_stop_the_others",),
    ),
    Mutant(
        "cancelled factor reset is done",
        "factor_reset/service.py",
        " or not pending_resets.take_due(user_id)",
        "",
        ("tests/factor_reset/test_lost_factor.py::test_removal_that_is_cancelled_meanwhile_is_not_done",),
    ),
    Mutant(
        "restored passkey signs in alone",
        "mfa/factor_changes.py",
        '{Passkey: {"can_sign_in": False}}',
        "{}",
        ("tests/security_alerts/test_factor_restoration.py::test_restored_passkey_is_a_second_factor_only",),
    ),
    Mutant(
        "factor of an attacker outlives a report",
        "security_alerts/service.py",
        "factor_restoration.restore(link, is_email_restored=is_email_restored)",
        "factor_restoration.Restoration(False, set())",
        ("tests/security_alerts/test_factor_restoration.py",),
    ),
    Mutant(
        "factor of an attacker's older session outlives a report",
        "security_alerts/factor_restoration.py",
        "    new = starts.from_new_clients(sessions, week_start, is_new_user=is_new_user)\n",
        "    new: set[int] = set()\n",
        (f"{SUSPICIOUS_TESTS}::test_link_undoes_changes_of_related_session",),
    ),
    Mutant(
        "second session of an attacker's client counts as known",
        "sessions/starts.py",
        "[start for start in ordered if start.created_at < since]",
        "ordered[:-1]",
        (f"{SUSPICIOUS_TESTS}::test_link_undoes_changes_of_new_client",),
    ),
    Mutant(
        "factor that was added after an email change outlives its revert",
        "security_alerts/factor_restoration.py",
        "if is_email_restored and",
        "if not is_email_restored and",
        (f"{SUSPICIOUS_TESTS}::test_link_that_restores_email_undoes_later_changes",),
    ),
    Mutant(
        "factor of an attacker's older session outlives a report",
        "sessions/starts.py",
        "self.device_id == other.device_id or self.network == other.network",
        "self.id == other.id",
        (f"{SUSPICIOUS_TESTS}::test_link_undoes_changes_of_related_session",),
    ),
    Mutant(
        "factor of an attacker's older session outlives a report",
        "security_alerts/factor_restoration.py",
        "if not amr.has_second_factor(methods)}",
        "if not methods}",
        (f"{SUSPICIOUS_TESTS}::test_link_undoes_change_without_second_factor",),
    ),
    Mutant(
        "factor of an attacker's older session outlives a report",
        "mfa/totp.py",
        "and_(TotpFactor.session_id == auth.session.id, _is_confirmable())",
        "_is_confirmable()",
        ("tests/mfa/test_totp_enrolment.py::test_totp_confirmation_in_other_session_is_not_found",),
    ),
    Mutant(
        "factor that was confirmed after the attack began outlives a report",
        "mfa/factor_changes.py",
        "    TotpFactor: TotpFactor.confirmed_at,\n",
        "    TotpFactor: TotpFactor.created_at,\n",
        (f"{SUSPICIOUS_TESTS}::test_link_undoes_change_at_start_of_its_week",),
    ),
    Mutant(
        "factor of an attacker outlives a report",
        "security_alerts/factor_restoration.py",
        "min(times) - CLOCK_DIFFERENCE",
        "min(times)",
        (f"{SUSPICIOUS_TESTS}::test_link_undoes_change_on_server_with_late_clock",),
    ),
    Mutant(
        "report removes the owner's factors without need",
        "security_alerts/factor_restoration.py",
        "    changed = suspicious & {",
        "    changed = suspicious | {",
        (f"{SUSPICIOUS_TESTS}::test_warning_link_keeps_new_factors_of_owner",),
    ),
    Mutant(
        "report removes the owner's factors without need",
        "mfa/factor_changes.py",
        ", excluded=undone",
        "",
        (f"{SUSPICIOUS_TESTS}::test_second_link_undoes_nothing_again",),
    ),
    Mutant(
        "stolen factor restored after the operator's reset",
        "mfa/factor_changes.py",
        "delete(table).where(table.user_id == user_id)",
        "delete(table).where(table.user_id == user_id, table.removed_at.is_(None))",
        ("tests/user_admin/test_user_factors.py::test_reset_factors_is_not_undone_by_links",),
    ),
    Mutant(
        "device remembered after a sign-out",
        "sessions/service.py",
        "    devices.clear_remembered(user_id)\n",
        "",
        ("tests/mfa/test_remembered_devices.py::test_sign_out_everywhere_forgets_all_devices",),
    ),
    Mutant(
        "device remembered after a sign-out",
        "sessions/service.py",
        "    devices.forget(session.device_id)\n",
        "",
        ("tests/mfa/test_remembered_devices.py::test_session_revocation_forgets_its_device",),
    ),
    Mutant(
        "MFA stays off after a report",
        "mfa/factor_changes.py",
        " or _has_changed_mfa(user_id, has_factor, since)",
        "",
        ("tests/security_alerts/test_factor_restoration.py::test_link_turns_mfa_on_again",),
    ),
    Mutant(
        "operator removes factors without a password reset",
        "user_admin/second_factors.py",
        "    accounts.clear_password(user_id)\n",
        "",
        ("tests/user_admin/test_user_factors.py::test_reset_factors_requires_a_password_reset",),
    ),
    Mutant(
        "token of a login challenge stored",
        "mfa/challenges.py",
        "network=client_network(),",
        "network=token,",
        ("tests/e2e/test_production_scenarios.py::test_second_factors_leave_no_secret_in_storage",),
    ),
    Mutant(
        "sign-in code used twice",
        "login/email_code.py",
        "    verified.consume()\n    codes.revoke_for_purpose(SIGN_IN, user.normalized_email)\n",
        "",
        ("tests/login/test_email_code.py::test_email_code_is_single_use_and_expires",),
    ),
    Mutant(
        "sign-in code outlives a reset",
        "one_time_codes/service.py",
        "OneTimeCode.purpose.in_(ACCOUNT_PURPOSES),",
        "OneTimeCode.purpose == RESET,",
        ("tests/login/test_email_code.py::test_email_code_after_revocation_is_rejected",),
    ),
    Mutant(
        "limit turned against the user",
        "one_time_codes/verification.py",
        """        or_(OneTimeCode.is_suppressed.is_(True), OneTimeCode.code_expires_at > now),
""",
        """        OneTimeCode.is_suppressed.is_(False), OneTimeCode.code_expires_at > now,
""",
        (f"{AMBIGUOUS_TESTS}::test_suppressed_mail_makes_the_attackers_code_ambiguous",),
    ),
    Mutant(
        "limit turned against the user",
        "registration/pending.py",
        """        codes.suppress_expired(code)
""",
        """        codes.renew(None)
""",
        (f"{AMBIGUOUS_TESTS}::test_suppressed_resend_makes_the_attackers_code_ambiguous",),
    ),
    Mutant(
        "limit avoided with another spelling",
        "mail/rate_limits.py",
        """    mailbox = _mailbox(normalized_email)
""",
        """    mailbox = normalized_email
""",
        ("tests/registration/test_mail_rate_limits.py::test_mail_rate_limit_ignores_tags_and_dots",),
    ),
    Mutant(
        "password of a pending registration revealed",
        "registration/service.py",
        """crypto.mac("registration salt", normalized_email, network)[:16]""",
        """crypto.mac("registration salt", normalized_email)[:16]""",
        ("tests/registration/test_registration_idempotent.py::test_register_from_other_network_reveals_no_password",),
    ),
    Mutant(
        "report keeps the email address",
        "security_alerts/service.py",
        """    link, user = _consume_link(links.REPORT_SIGN_IN, token)
    audit""",
        """    link, user = _consume_link(links.REPORT_SIGN_IN, token)
    link.email, link.normalized_email = user.email, user.normalized_email
    audit""",
        TAKEOVER_TESTS,
    ),
    Mutant(
        "links to the attacker stay valid",
        "security_alerts/service.py",
        """    links.revoke_newer(link)
    links.revoke_superseded(user.id, link.normalized_email)
""",
        "",
        TAKEOVER_TESTS,
    ),
    Mutant(
        "links to the attacker stay valid",
        "security_alerts/service.py",
        """    links.revoke_newer(link)
    links.revoke_superseded(user.id, link.normalized_email)
""",
        """    links.revoke_superseded(user.id, link.normalized_email)
""",
        ("tests/security_alerts/test_revert_email_change.py",),
    ),
    Mutant(
        "links to the attacker stay valid",
        "passwords/service.py",
        """    links.revoke_superseded(user.id, user.normalized_email)
""",
        "",
        ("tests/security_alerts/test_takeover_recovery.py",),
    ),
    Mutant(
        "links to the attacker stay valid",
        "email_change/service.py",
        """    links.revoke_superseded(user.id, change.normalized_email)
""",
        "",
        ("tests/security_alerts/test_takeover_recovery.py",),
    ),
    Mutant(
        "reported network stays recognised",
        "security_alerts/service.py",
        "    devices.forget_networks(user.id, restoration.suspicious, link.created_at)\n",
        "",
        ("tests/security_alerts/test_takeover_recovery.py::test_recovery_forgets_the_network_of_attacker",),
    ),
    Mutant(
        "a link revokes older links",
        "one_time_codes/links.py",
        "    execute_count(unused.where(EmailLink.created_at > link.created_at).values(used_at=clock.now()))",
        "    execute_count(unused.values(used_at=clock.now()))",
        TAKEOVER_TESTS,
    ),
    Mutant(
        "a reset revokes older links",
        "one_time_codes/links.py",
        """    if oldest is not None:
        superseded""",
        """    oldest = clock.now() - LIFETIME
    if oldest is not None:
        superseded""",
        TAKEOVER_TESTS,
    ),
    Mutant(
        "session not checked before the write",
        "sessions/decorators.py",
        "    if user is None or session is None or not session.is_active:",
        "    if user is None or session is None:",
        (f"{INTERLEAVING_TESTS}revocation.py", "tests/security_alerts/test_takeover_search.py"),
    ),
    Mutant(
        "limit of a network avoided",
        "login/throttling.py",
        "network_wait = network_retry_after(attempt) if value is not None",
        "network_wait = 0.0 if value is not None",
        ("tests/login/test_login_rate_limit.py::test_right_password_resolved_past_the_limit_is_rejected",),
    ),
    Mutant(
        "outbox lease ignored",
        "mail/delivery.py",
        'OutboxMail.leased_until <= bindparam("now")),',
        "OutboxMail.state == QUEUED),",
        (f"{INTERLEAVING_TESTS}outbox.py", "tests/mail/test_mail_leases.py"),
    ),
    Mutant(
        "hash accepted that sign-in cannot compare",
        "core/passwords/legacy.py",
        """    digest = "|".join(map(_digest, (16, 32, 64)))
""",
        """    digest = BASE64 + "+"
""",
        ("tests/user_admin/test_import_hash_formats.py::test_import_malformed_hashes_are_rejected",),
    ),
    Mutant(
        "attacker's link in a mail",
        "registration/pending.py",
        """    if contains_link(f"{first_name} {last_name}"):
""",
        """    if contains_link(last_name):
""",
        ("tests/registration/test_names_in_mails.py::test_name_with_link_is_left_out_of_mail",),
    ),
    Mutant(
        "attacker's link in a mail",
        "mail/link_detection.py",
        """    normalized = unicodedata.normalize("NFKC", IGNORABLE.sub("", unicodedata.normalize("NFKC", text)))
""",
        """    normalized = text
""",
        ("tests/registration/test_names_in_mails.py::test_name_with_link_is_left_out_of_mail",),
    ),
    Mutant(
        "request of another site accepted",
        "mail/routes.py",
        """    if is_other_site or (origin is not None and origin != request.host_url.rstrip("/")):
""",
        """    if is_other_site:
""",
        ("tests/mail/test_dev_mailbox_actions.py::test_delete_from_other_site_is_forbidden",),
    ),
    Mutant(
        "installation created in a wrong folder",
        "app.py",
        "and command.command is not run_command",
        "and command.command is None",
        ("tests/e2e/test_installation_search.py::test_flask_command_in_empty_folder_creates_nothing",),
    ),
    Mutant(
        "installation created in a wrong folder",
        "celery.py",
        """    require_database(settings)
""",
        "",
        ("tests/e2e/test_installation_search.py::test_worker_without_database_creates_nothing",),
    ),
    Mutant(
        "second factor skipped",
        "login/service.py",
        "    is_complete = has_second_factor or not factors.is_needed(user)\n",
        "    is_complete = True\n",
        ("tests/mfa/test_complete_login.py::test_login_with_mfa_on_requires_second_factor",),
    ),
    Mutant(
        "second factor skipped",
        "login/service.py",
        "is_allowed = settings().remember_device_days > 0 and proof.amr == amr.PASSWORD",
        "is_allowed = True",
        ("tests/mfa/test_remembered_devices.py::test_remember_device_with_setting_zero_is_ignored",),
    ),
    Mutant(
        "second factor skipped",
        "mfa/factors.py",
        " or (mfa_policy.must_enrol(user) and count(user.id) > 0)",
        "",
        ("tests/mfa/test_factor_policy.py::test_required_factor_that_exists_is_needed_at_sign_in",),
    ),
    Mutant(
        "second factor skipped",
        "login/reauthentication.py",
        "    if data.factor is None and factors.is_needed(auth.user):\n",
        "    if False:\n",
        ("tests/mfa/test_reauthentication_factors.py::test_reauthenticate_with_password_requires_factor",),
    ),
    Mutant(
        "second factor skipped",
        "sessions/decorators.py",
        " and (not self.user.mfa_enabled or amr.has_second_factor(self.session.amr))",
        "",
        ("tests/mfa/test_complete_login.py::test_fresh_password_token_is_not_fresh_with_mfa_on",),
    ),
    Mutant(
        "version of the credentials ignored",
        "login/second_factor.py",
        " or user.credential_version != challenge.credential_version",
        "",
        ("tests/mfa/test_totp_sign_in.py::test_challenge_after_factor_change_is_expired",),
    ),
    Mutant(
        "version of the credentials ignored",
        "accounts/service.py",
        'User.credential_version == bindparam("credential_version"), ',
        'bindparam("credential_version") >= 0, ',
        (f"{INTERLEAVING_TESTS}login.py::test_password_verified_before_revocation_is_rejected",),
    ),
    Mutant(
        "recovery code lost by a rejected sign-in",
        "login/service.py",
        """    if not accounts.lock_credentials(user.id, user.credential_version):
        raise InvalidCredentials
""",
        "",
        ("tests/mfa/test_recovery_codes.py::test_recovery_code_of_failed_sign_in_stays_unused",),
    ),
    Mutant(
        "code of a second factor used twice",
        "mfa/totp.py",
        'TotpFactor.id == bindparam("factor_id"), TotpFactor.last_step < bindparam("step"), ACTIVE_TOTP',
        'TotpFactor.id == bindparam("factor_id"), ACTIVE_TOTP',
        ("tests/concurrency/test_parallel_factors.py::test_parallel_confirmations_and_codes_succeed_once",),
    ),
    Mutant(
        "code of a second factor used twice",
        "mfa/totp.py",
        "confirmed_at=clock.now(), expires_at=None, last_step=step",
        "confirmed_at=clock.now(), expires_at=None",
        ("tests/mfa/test_totp_enrolment.py::test_totp_confirmation_code_cannot_sign_in",),
    ),
    Mutant(
        "code of a second factor used twice",
        "mfa/recovery_codes.py",
        "update(RecoveryCode).where(RecoveryCode.id == code_id, UNUSED_CODE)",
        "update(RecoveryCode).where(RecoveryCode.id == code_id)",
        ("tests/concurrency/test_parallel_factors.py::test_parallel_recovery_codes_succeed_once",),
    ),
    Mutant(
        "attempts at a second factor not limited",
        "mfa/challenges.py",
        "_IS_UNUSED, LoginChallenge.attempts < MAX_ATTEMPTS",
        "_IS_UNUSED",
        ("tests/mfa/test_factor_limits.py::test_challenge_allows_five_attempts",),
    ),
    Mutant(
        "attempts at a second factor not limited",
        "login/second_factor.py",
        "        user.id,\n        client_network(),",
        "        challenge.id,\n        client_network(),",
        ("tests/mfa/test_factor_limits.py::test_second_factor_allows_ten_attempts_per_user",),
    ),
    Mutant(
        "codes guessed without end",
        "login/throttling.py",
        "        limits.append((code_failures.key(attempt.account), code_failures.LIMIT))\n",
        "        pass\n",
        ("tests/mfa/test_factor_limits.py::test_hundred_consecutive_failures_end_comparison",),
    ),
    Mutant(
        "codes guessed without end",
        "login/throttling.py",
        "    if rate_limits.hit(cleared).is_allowed:\n",
        "    if rate_limits.hit(cleared):\n",
        ("tests/mfa/test_factor_limits.py::test_password_reset_clears_factor_failures_once_a_day",),
    ),
    Mutant(
        "codes guessed without end",
        "login/throttling.py",
        "code_failures.unrecognised_key(user_id)]",
        "code_failures.unrecognised_key(user_id), code_failures.key(user_id)]",
        ("tests/mfa/test_factor_limits.py::test_password_reset_keeps_the_end_of_comparison",),
    ),
    Mutant(
        "user locked out by an unrecognised client",
        "login/throttling.py",
        "    if attempt.is_recognised and attempt.kind == SECOND_FACTOR",
        "    if attempt.kind == SECOND_FACTOR",
        ("tests/mfa/test_factor_limits.py::test_failures_of_unseen_networks_end_no_comparison",),
    ),
    Mutant(
        "login challenge lost with a code used meanwhile",
        "login/second_factor.py",
        "        challenges.release(challenge_id)\n",
        "",
        (f"{INTERLEAVING_TESTS}login.py::test_code_used_meanwhile_keeps_the_challenge",),
    ),
    Mutant(
        "lost factor removed for an unrecognised client",
        "sessions/devices.py",
        "any(amr.has_second_factor(session_amr) for session_amr in methods)",
        "methods.first() is not None",
        ("tests/factor_reset/test_lost_factor.py::test_lost_factor_of_unauthorised_client_is_decoy",),
    ),
    Mutant(
        "factor of another user changed",
        "mfa/totp.py",
        ", TotpFactor.user_id == auth.user.id\n",
        ", TotpFactor.user_id > 0\n",
        ("tests/mfa/test_totp_enrolment.py::test_totp_confirmation_of_other_user_is_not_found",),
    ),
    Mutant(
        "passkey of another user accepted",
        "passkeys/assertions.py",
        """    if passkey.user_id != user_id and not is_sign_in:
""",
        """    if not passkey.user_id:
""",
        ("tests/passkeys/test_passkey_second_factor.py::test_passkey_of_another_user_is_no_second_factor",),
    ),
    Mutant(
        "passkey of another user accepted",
        "passkeys/assertions.py",
        """    if response.user_handle != user_handle and (is_sign_in or response.user_handle):
""",
        """    if not user_handle:
""",
        ("tests/passkeys/test_passkey_sign_in.py::test_passkey_of_one_user_with_handle_of_another_is_rejected",),
    ),
    Mutant(
        "passkey without user verification signs in",
        "passkeys/assertions.py",
        """    if is_sign_in and not passkey.can_sign_in:
""",
        """    if not passkey.public_key:
""",
        ("tests/passkeys/test_passkey_sign_in.py::test_security_key_cannot_sign_in",),
    ),
    Mutant(
        "passkey without user verification signs in",
        "passkeys/assertions.py",
        "public_key, requires_verification=is_sign_in)",
        "public_key, requires_verification=False)",
        ("tests/passkeys/test_passkey_sign_in.py::test_passkey_assertion_with_fault_is_rejected",),
    ),
    Mutant(
        "passkey without user verification signs in",
        "passkeys/assertions.py",
        "is_complete=verified.is_user_verified and passkey.can_sign_in",
        "is_complete=passkey.can_sign_in",
        ("tests/passkeys/test_passkey_second_factor.py::test_reauthentication_with_a_passkey_alone_verifies_the_user",),
    ),
    Mutant(
        "WebAuthn challenge used twice",
        "passkeys/assertions.py",
        """        raise CeremonyError("the challenge was used before") from None
""",
        """        return
""",
        ("tests/passkeys/test_passkey_sign_in.py::test_passkey_assertion_used_twice_is_rejected",),
    ),
    Mutant(
        "WebAuthn challenge of another ceremony accepted",
        "passkeys/challenges.py",
        "crypto.macs_all_keys(LABEL, purpose, binding, nonce, expiry)",
        "crypto.macs_all_keys(LABEL, purpose, binding, nonce, expiry) + [mac]",
        ("tests/passkeys/test_webauthn_challenges.py",),
    ),
    Mutant(
        "copied passkey accepted",
        "passkeys/assertions.py",
        "ACTIVE_PASSKEY, has_increased)",
        "ACTIVE_PASSKEY)",
        ("tests/passkeys/test_passkey_sign_in.py::test_passkey_counter_that_does_not_increase_is_rejected",),
    ),
    Mutant(
        "CBOR tag decoded before the signature is verified",
        "passkeys/responses.py",
        "semantic_decoders=NO_TAGS, ",
        "",
        ("tests/passkeys/test_webauthn_checks.py::test_assertion_with_fault_is_rejected",),
    ),
    Mutant(
        "CBOR decoded before the challenge is verified",
        "passkeys/responses.py",
        """    return AssertionResponse(
""",
        """    check_extensions(authenticator_data)
    return AssertionResponse(
""",
        ("tests/passkeys/test_webauthn_checks.py::test_assertion_is_parsed_without_decoding_cbor",),
    ),
    Mutant(
        "tags of clients kept in memory",
        "passkeys/responses.py",
        "        return _reject_tag\n",
        "        return self.setdefault(_tag, _reject_tag)\n",
        ("tests/passkeys/test_webauthn_checks.py::test_tags_that_were_rejected_use_no_memory",),
    ),
    Mutant(
        "last required passkey removed",
        "passkeys/service.py",
        "    factors.require_removable(user)\n",
        "",
        ("tests/mfa/test_factor_policy.py::test_required_passkey_turns_mfa_on_and_last_one_stays",),
    ),
    Mutant(
        "passkey registered while second factors are off",
        "passkeys/service.py",
        """    factors.require_available()
    try:
""",
        """    try:
""",
        ("tests/mfa/test_factor_policy.py::test_second_factor_off_rejects_passkeys",),
    ),
    Mutant(
        "required passkey leaves MFA off",
        "mfa/factors.py",
        "(enable_mfa or mfa_policy.is_required(user))",
        "enable_mfa",
        ("tests/mfa/test_factor_policy.py::test_passkey_of_user_who_must_have_a_factor_turns_mfa_on",),
    ),
    Mutant(
        "weak public key accepted",
        "passkeys/verification.py",
        """    if not is_usable:
""",
        """    if is_usable is None:
""",
        ("tests/passkeys/test_webauthn_checks.py::test_registration_with_fault_is_rejected",),
    ),
    Mutant(
        "embedded page accepted",
        "passkeys/responses.py",
        """    if fields.get("crossOrigin", False) is not False or "topOrigin" in fields:
""",
        """    if "embedded" in fields:
""",
        ("tests/passkeys/test_webauthn_checks.py::test_registration_with_fault_is_rejected",),
    ),
    Mutant(
        "password removed without a second passkey",
        "passkeys/service.py",
        "return len(usable) > 1 or",
        "return bool(usable) or",
        ("tests/passkeys/test_password_removal.py",),
    ),
    Mutant(
        "password set again with a stolen token",
        "passwords/service.py",
        "(auth.user.mfa_enabled or auth.user.password_hash is None) and not auth.is_fresh",
        "auth.user.mfa_enabled and not auth.is_fresh",
        ("tests/passkeys/test_password_removal.py::test_password_is_set_again_only_with_a_fresh_token",),
    ),
    Mutant(
        "form of a sibling domain accepted",
        "web/decorators.py",
        'if not (site == "same-origin" if',
        'if not (site != "cross-site" if',
        ("tests/web/test_page_requests.py::test_post_page_from_another_origin_is_forbidden",),
    ),
    Mutant(
        "form without any origin accepted",
        "web/decorators.py",
        "else origin and origin == expected_origin",
        'else origin in {"", expected_origin}',
        ("tests/web/test_page_requests.py::test_post_page_from_another_origin_is_forbidden",),
    ),
    Mutant(
        "redirect to another host",
        "web/urls.py",
        r're.compile(r"/(?![/\\])[!#-\[\]-~]*")',
        r're.compile(r"/[!#-\[\]-~]*")',
        ("tests/web/test_page_requests.py::test_sign_in_returns_to_safe_urls_only_and_without_token",),
    ),
    Mutant(
        "page cookie not authenticated",
        "web/page_session.py",
        "if cookie is None or row is None or not cookie.is_authentic(mac, row[0].nonce):",
        "if cookie is None or row is None:",
        ("tests/web/test_sign_in_page.py::test_altered_session_cookie_is_ignored",),
    ),
    Mutant(
        "revoked page session accepted",
        "sessions/active.py",
        "if row is not None and row.Session.is_active else None",
        "if row is not None else None",
        ("tests/web/test_sign_in_page.py::test_sign_out_page_revokes_session_and_keeps_device",),
    ),
    Mutant(
        "sensitive page without confirmation",
        "web/decorators.py",
        "if fresh and not auth.is_fresh:",
        "if fresh and auth.claims.fresh_until is None:",
        ("tests/web/test_account_pages.py::test_sensitive_pages_require_confirmation_and_return",),
    ),
    Mutant(
        "step cookie not authenticated",
        "web/cookies.py",
        "    if not any([crypto.compare_digest(crypto.base64url_decode(mac), value) for value in expected]):\n",
        "    if not expected:\n",
        ("tests/web/test_sign_in_page.py::test_second_factor_page_without_first_step_starts_again",),
    ),
    Mutant(
        "code of another registration accepted by a page",
        "web/registration.py",
        """        identifier = {"verification_id": step["id"], "email": None} if step else {}
        user = service.verify""",
        """        identifier = {"verification_id": None, "email": step["email"]} if step else {}
        user = service.verify""",
        ("tests/web/test_registration_pages.py::test_verify_page_rejects_code_of_another_registration",),
    ),
    Mutant(
        "step cookie of another flow accepted",
        "web/cookies.py",
        'return step if step["kind"] == kind else {}',
        "return step",
        ("tests/web/test_page_cookies.py::test_step_of_one_flow_is_not_accepted_by_another",),
    ),
    Mutant(
        "earlier session of the browser kept at a sign-in",
        "web/sign_in.py",
        "        sessions.sign_out(earlier.session.id, earlier.user.id)\n",
        "        pass\n",
        ("tests/web/test_page_cookies.py::test_sign_in_ends_the_earlier_session_of_the_browser",),
    ),
    Mutant(
        "recovery code repeated on a page",
        "web/forms.py",
        '"recovery_code", "credential", "passkey", "token"}',
        '"credential", "passkey", "token"}',
        ("tests/web/test_sign_in_page.py::test_rejected_form_does_not_repeat_secrets",),
    ),
    Mutant(
        "page open without the required factor",
        "web/decorators.py",
        "    return authorize(auth, view)",
        "    return auth",
        ("tests/web/test_page_session_required.py::test_own_page_of_user_who_must_enrol_opens_its_page",),
    ),
    Mutant(
        "account deleted without confirmation",
        "web/account.py",
        "@account_page(fresh=True)\ndef delete_account",
        "@account_page()\ndef delete_account",
        ("tests/web/test_account_pages.py::test_every_form_requires_confirmation_but_listed_ones",),
    ),
    Mutant(
        "text of users not escaped",
        "web/rendering.py",
        "autoescape=True",
        "autoescape=False",
        ("tests/web/test_account_pages.py::test_hostile_names_are_inert_on_every_page",),
    ),
    Mutant(
        "cookie readable by scripts",
        "web/cookies.py",
        'expires=expires, path="/", secure=_is_secure(), httponly=True',
        'expires=expires, path="/", secure=_is_secure(), httponly=False',
        ("tests/web/test_page_requests.py::test_cookies_with_https_have_the_host_prefix",),
    ),
    Mutant(
        "pages of the sign-in with a mailed code although it is off",
        "web/email_sign_in.py",
        "if not settings().email_sign_in:",
        "if settings().email_sign_in is None:",
        ("tests/web/test_email_sign_in_pages.py::test_email_sign_in_pages_are_404_unless_enabled",),
    ),
)
