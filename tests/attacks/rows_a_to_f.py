"""What is tried in sections A to F, and which tests beside those here hold it."""

A_PARSING = {
    "A01": ("an empty body", "test_bad_input.py::test_what_is_no_json_is_a_bad_request"),
    "A03": ("a document that is no object", "test_bad_input.py::test_what_is_no_object_is_invalid_as_a_whole"),
    "A05": ("a key that stands twice", "test_bad_input.py::test_what_is_no_json_is_a_bad_request"),
    "A07": ("fields that nobody knows", "test_bad_input.py::test_a_field_that_nobody_knows_is_refused"),
    "A09": ("halves of letters", "test_bad_input.py::test_each_field_takes_only_what_it_is_for"),
    "A11": ("bodies beyond the limit", "test_bad_input.py::test_what_is_announced_as_too_large_is_not_read"),
    "A13": ("other kinds and codings of a body", "test_bad_input.py::test_only_json_is_taken_and_only_as_it_is"),
    "A15": ("a hundred thousand keys", "test_bad_input.py::test_thousands_of_fields_are_refused_at_once"),
    "A17": ("numbers of every kind", "test_bad_input.py::test_each_field_takes_only_what_it_is_for"),
    "A19": ("fields in the address", "test_bad_input.py::test_parameters_in_the_address_are_no_fields"),
    "A21": ("names of the machinery", "test_bad_input.py::test_a_field_that_nobody_knows_is_refused"),
    "A23": ("other methods", "test_refusals.py::test_a_method_that_an_address_does_not_know_is_told_which_it_knows"),
    "A25": ("requests with broken bits",),
}
B_REGISTERING = {
    "B01": ("an address that has an account", "registration/test_decoys.py::test_no_door_takes_its_code"),
    "B03": (
        "an account prepared for its victim",
        "registration/test_contested.py::test_what_a_stranger_planted_never_becomes_hers",
    ),
    "B05": ("another line in an address",),
    "B07": ("more than one address",),
    "B09": ("quoted local parts and other odd addresses",),
    "B11": (
        "one domain in two spellings",
        "registration/test_addresses.py::test_one_address_written_in_two_ways_is_one_account",
    ),
    "B13": ("names that show as something else or as nothing",),
    "B15": ("addresses that are only unusual",),
    "B17": ("passwords of every length", "registration/test_passwords.py::test_no_password_takes_long_to_judge"),
    "B19": ("passwords that differ at their end", "registration/test_passwords.py::test_every_letter_counts"),
    "B21": (
        "names that are programs, links or tags",
        "mail/test_mail_rendering.py::test_what_people_write_is_no_template",
    ),
    "B23": ("statements in every field",),
    "B25": (
        "many registrations of one address at once",
        "registration/test_mail_budgets.py::test_no_burst_gets_past_the_budget",
        "registration/test_double_click.py::test_twelve_clicks_at_once_are_one_attempt_and_one_mail",
        "registration/test_contested.py::test_of_two_attempts_that_are_proven_at_once_one_becomes_the_account",
    ),
    "B27": (
        "Redis or the mail server away",
        "journeys/test_outages.py::test_people_register_while_redis_is_away_and_have_their_mail_when_it_is_back",
        "mail/test_mail_delivery.py::test_a_server_that_is_away_is_asked_again",
    ),
    "B29": ("what an answer tells",),
}
C_CODES = {
    "C01": ("a code at somebody else's door", "registration/test_answers.py::test_a_code_opens_nobody_elses_door"),
    "C03": ("the right code after too many wrong ones",),
    "C05": ("a burst of guesses", "registration/test_doors.py::test_a_burst_is_counted_before_anything_is_compared"),
    "C07": ("a code that was used", "registration/test_answers.py::test_a_used_code_is_wrong_at_every_door"),
    "C09": (
        "a code that a newer one replaced",
        "registration/test_resend.py::test_then_it_is_a_new_code_and_only_the_newest_is_good",
    ),
    "C11": (
        "codes in other letters",
        "registration/test_typed_codes.py::test_what_only_looks_like_the_code_is_wrong_and_costs_a_try",
    ),
    "C13": ("an account that is proven already",),
    "C15": ("what a wrong code costs",),
    "C17": (
        "a flood of requests for mail",
        "registration/test_mail_budgets.py::test_twenty_a_day_go_to_one_address_in_all",
    ),
    "C19": ("codes that can be foreseen", "test_house_rules.py::test_one_clock_one_chance_and_nothing_dangerous"),
    "C21": (
        "codes in a dump of Redis or the database",
        "journeys/test_production.py::test_the_whole_journey_leaves_no_secret_behind",
    ),
    "C23": ("links that a mail scanner follows", "recovery/test_pages.py::test_looking_changes_nothing"),
    "C25": ("tries that a restart gives back", "registration/test_doors.py::test_the_count_outlives_the_process"),
}
D_SIGNING_IN = {
    "D01": ("people in every state", "login/test_signing_in.py::test_everything_that_failed_has_one_answer"),
    "D03": ("a hash of other costs", "login/test_old_hashes.py::test_a_weaker_hash_of_todays_kind_is_made_anew_too"),
    "D05": ("the right password of whom it does not let in",),
    "D07": (
        "keeping an owner out by wrong passwords",
        "login/test_known_devices.py::test_a_known_device_gets_in_from_anywhere_while_strangers_wait",
        "passwords/test_what_a_reset_ends.py::test_whoever_was_locked_out_by_strangers_gets_in_from_anywhere",
    ),
    "D09": ("a burst of guesses", "login/test_guess_races.py::test_sixty_at_once_from_six_networks_are_ten_at_most"),
    "D11": (
        "one's own sign-in to reset the count",
        "login/test_waits.py::test_signing_in_to_ones_own_account_gives_no_more_tries_at_another",
    ),
    "D13": (
        "one password on everybody",
        "login/test_waits.py::test_a_flood_halves_what_strangers_have_and_raises_an_alarm",
    ),
    "D15": ("signs that databases know", "login/test_signing_in.py::test_an_address_is_taken_by_the_letter"),
    "D17": ("passwords without end", "login/test_signing_in.py::test_a_password_without_end_costs_nothing"),
    "D19": ("a session that somebody prepared",),
    "D21": (
        "other doors that compare a password",
        "login/test_guess_races.py::test_giving_the_password_again_shares_the_tries",
        "passwords/test_changing.py::test_tries_are_shared_with_sign_in",
    ),
    "D23": ("sessions without number", "sessions/test_my_sessions.py::test_the_oldest_of_more_than_twenty_ends"),
    "D25": ("hashes that nobody can read", "login/test_signing_in.py::test_a_hash_that_cannot_be_read_lets_nobody_in"),
}
FORGED, CLAIMS = (
    "keys/test_forged_tokens.py::test_a_forged_token_opens_nothing",
    "keys/test_forged_claims.py::test_a_token_that_says_something_else_is_refused",
)
E_ACCESS_TOKENS = {
    "E01": ("unsigned tokens, and one of each kind at every door", FORGED),
    "E03": ("the public key as a secret", FORGED),
    "E05": ("our key under another algorithm", FORGED),
    "E07": ("key ids and headers that lead elsewhere", FORGED),
    "E09": ("an unencoded payload", FORGED),
    "E11": ("times to come", CLAIMS),
    "E13": ("other audiences", CLAIMS),
    "E15": ("tokens of another kind", FORGED),
    "E17": (
        "a claim that stands twice",
        FORGED,
        "keys/test_forged_claims.py::test_a_payload_that_is_no_object_is_refused",
    ),
    "E19": ("encrypted and packed tokens", FORGED),
    "E21": (
        "a session that ended",
        "sessions/test_signing_out.py::test_an_ended_session_is_refused_everywhere_at_once",
    ),
    "E23": (
        "keys that are retired, or not yet in use",
        "keys/test_rotation.py::test_the_old_key_verifies_until_its_last_token_ended_and_is_then_deleted",
        "keys/test_rotation.py::test_every_process_has_read_a_successor_before_it_signs",
    ),
    "E25": (
        "the database away while a token is checked",
        "foundation/test_database_away.py::test_while_the_database_is_away_nothing_is_believed_and_afterwards_all_goes_on",
    ),
    "E27": ("signatures of zeros and their twins", FORGED),
    "E29": ("private parts among the public keys", "keys/test_access_tokens.py::test_the_public_keys_are_public_only"),
    "E31": ("tokens that are good once", "recovery/test_undoing.py::test_it_is_good_once_and_in_a_burst_too"),
}
F_SESSIONS = {
    "F01": (
        "an old refresh token",
        "sessions/test_refreshing.py::test_an_old_token_ends_the_session_and_its_owner_is_told",
    ),
    "F03": ("the same in two processes", "sessions/test_refreshing.py::test_two_processes_give_the_same_successor"),
    "F05": (
        "a refresh while the session is ended",
        "sessions/test_signing_out.py::test_a_refresh_that_races_with_signing_out_leaves_nothing_live",
        "users/test_disabling.py::test_nobody_slips_in_meanwhile",
    ),
    "F07": (
        "refresh tokens that are no text",
        "sessions/test_forged_refresh_tokens.py::test_what_is_no_text_is_refused_by_name",
    ),
    "F09": ("a refresh by whom an operator keeps out", "users/test_disabling.py::test_every_token_ends_at_once"),
    "F11": ("more than the session may",),
    "F13": (
        "a refresh token in other letters",
        "sessions/test_forged_refresh_tokens.py::test_a_forged_token_touches_nothing",
    ),
    "F15": (
        "signing out twice, or others",
        "sessions/test_signing_out.py::test_signing_out_twice_is_as_good_and_happens_once",
    ),
    "F17": ("a link that signs out", "sessions/test_signing_out.py::test_a_link_signs_nobody_out"),
    "F19": ("tokens in addresses and the log",),
    "F21": (
        "an ended session that a refresh brings back",
        "sessions/test_refreshing.py::test_an_answer_asked_again_after_the_session_ended_is_refused",
    ),
    "F23": (
        "ten thousand sessions of one person",
        "sessions/test_my_sessions.py::test_ended_sessions_make_no_room_twice",
    ),
}
