"""What is tried in sections G to O, and which tests beside those here hold it."""

G_PASSWORDS = {
    "G01": ("asking for people in every state", "passwords/test_forgotten.py::test_a_mail_for_nobody_is_born_dropped"),
    "G03": ("more than one address, or one that looks alike",),
    "G05": (
        "codes from before",
        "recovery/test_nothing_old_opens.py::test_no_code_of_before_is_good",
        "passwords/test_forgotten.py::test_a_newer_request_ends_no_older_one_and_using_one_ends_all",
        "passwords/test_changing.py::test_a_code_that_waits_sets_no_other_password",
    ),
    "G07": (
        "a code of one's own for somebody else",
        "passwords/test_forgotten.py::test_a_code_opens_nobody_elses_door",
    ),
    "G09": ("steps left out",),
    "G11": (
        "passwords that may not be set",
        "passwords/test_changing.py::test_the_same_password_again_is_refused_in_any_letters",
    ),
    "G13": (
        "two changes at once",
        "passwords/test_changing.py::test_of_many_changes_at_once_one_wins",
        "login/test_old_hashes.py::test_a_password_that_was_changed_meanwhile_is_not_put_back",
    ),
    "G15": (
        "a page that tells its address",
        "recovery/test_pages.py::test_nothing_is_fetched_from_elsewhere_and_only_its_own_script_runs",
    ),
    "G19": (
        "mail that cannot be sent",
        "mail/test_outbox.py::test_a_broker_that_is_away_holds_nothing_up_and_the_sweep_sends",
    ),
}
H_ADDRESSES = {
    "H01": ("a token that is not fresh", "email_change/test_changing_address.py::test_only_a_fresh_token_may_ask"),
    "H03": (
        "the code of another change",
        "email_change/test_changing_address.py::test_only_the_newest_is_good_and_only_for_its_own_address",
    ),
    "H05": (
        "a change that outlives a reset",
        "email_change/test_changing_address.py::test_a_reset_ends_a_change_that_waits",
    ),
    "H07": ("links that are guessed, used or raced", "recovery/test_undoing.py::test_a_wrong_link_touches_nothing"),
    "H09": (
        "an address that nobody proved",
        "email_change/test_changing_address.py::test_until_it_is_proven_nothing_changes",
    ),
}
I_PROFILES = {
    "I01": ("somebody else's profile", "profile/test_profile.py::test_nobody_elses_profile_can_be_asked_for"),
    "I03": (
        "countries that are none",
        "profile/test_profile.py::test_what_cannot_be_is_refused_by_name_and_not_echoed",
    ),
    "I05": ("fields that nobody may write", "profile/test_profile.py::test_nothing_else_can_be_edited"),
    "I07": (
        "addresses that a cache would keep",
        "profile/test_profile.py::test_no_other_address_shows_a_profile_that_a_cache_might_keep",
    ),
    "I09": ("disabled between guard and view", "users/test_disabling.py::test_nobody_slips_in_meanwhile"),
    "I11": ("closing without a password, or twice at once", "closing/test_closing.py::test_twice_at_once_is_once"),
    "I13": ("an export that opens a door", "profile/test_export.py::test_nothing_in_it_opens_a_door"),
}
J_PICTURES = {
    "J01": (
        "files that are no picture",
        "avatars/test_refused_files.py::test_of_a_file_that_is_two_things_only_the_picture_is_kept",
    ),
    "J03": (
        "files that are cut off or broken",
        "avatars/test_refused_files.py::test_broken_bytes_anywhere_are_no_accident",
    ),
    "J05": ("forms without end", "avatars/test_forms.py::test_a_hundred_thousand_parts_are_not_read"),
    "J07": (
        "where a picture was taken",
        "avatars/test_refused_files.py::test_where_and_by_what_it_was_taken_is_not_kept",
    ),
    "J09": ("names that lead elsewhere", "avatars/test_pictures.py::test_nobody_touches_the_picture_of_somebody_else"),
    "J11": ("uploads at once", "avatars/test_at_once.py::test_of_parallel_replacements_one_stays_and_one_file"),
    "J13": ("a hundred uploads", "avatars/test_pictures.py::test_thirty_an_hour_are_enough"),
}
M_HTTP = {
    "M01": ("a second request that hides in a first",),
    "M03": ("headers with underscores",),
    "M05": ("preflights",),
    "M07": (
        "what every answer carries",
        "test_refusals.py::test_browsers_are_told_to_stay_with_https_where_it_is_served",
    ),
    "M09": (
        "hosts of somebody else",
        "test_refusals.py::test_no_answer_sends_anybody_to_the_host_that_a_request_names",
    ),
    "M11": (
        "values that would split an answer",
        "test_refusals.py::test_a_sane_request_id_is_kept_and_any_other_is_made_anew",
    ),
    "M13": ("five hundred who never finish",),
    "M15": ("what operators look at", "health/test_readiness.py::test_details_are_for_operators"),
    "M17": ("upgrades, conditions and double readings",),
}
N_LIMITS = {
    "N01": ("addresses that a client makes up", "test_networks.py::test_who_invents_addresses_stays_one_network"),
    "N03": ("addresses that are none", "test_networks.py::test_a_peer_without_an_address_is_counted_too"),
    "N05": (
        "a restart, another process",
        "login/test_waits.py::test_a_restart_gives_no_tries_back",
        "login/test_guess_races.py::test_two_processes_count_together",
    ),
    "N07": (
        "keys made of what was sent",
        "login/test_waits.py::test_writing_the_address_otherwise_gives_no_more_tries",
    ),
    "N09": ("whom a limit knows", "login/test_waits.py::test_an_address_that_waits_tells_nobody_whether_it_is_known"),
    "N11": ("waits that grow and are told", "login/test_waits.py::test_a_wait_is_not_a_second_shorter"),
    "N13": (
        "cheap requests that cost a hash",
        "foundation/test_hashing_pool.py::test_whoever_comes_to_a_full_server_is_told_to_come_again",
    ),
}
O_SURROUNDINGS = {
    "O01": ("lines that are made up", "foundation/test_log_lines.py::test_nobody_can_forge_a_line"),
    "O03": ("settings that are not safe", "test_settings.py::test_production_demands_more"),
    "O05": (
        "settings that nobody knows",
        "test_settings.py::test_an_unknown_name_of_ours_is_refused_and_of_others_is_not_ours",
    ),
    "O07": ("forged messages", "journeys/test_outages.py::test_a_forged_message_does_nothing_and_the_worker_goes_on"),
    "O09": (
        "dangerous code and unpinned libraries",
        "test_house_rules.py::test_one_clock_one_chance_and_nothing_dangerous",
        "test_house_rules.py::test_certificates_are_always_verified",
    ),
    "O11": ("a trail that somebody alters", "audit/test_tampering.py::test_an_event_that_is_meddled_with_is_told"),
    "O13": (
        "a schema of another version",
        "health/test_readiness.py::test_a_schema_of_another_version_makes_it_not_ready",
    ),
}
