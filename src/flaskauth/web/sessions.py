"""/account/sessions."""

from contextlib import suppress

from werkzeug.wrappers import Response

from flaskauth.core.errors import NotFound
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.sessions import service
from flaskauth.sessions.decorators import AuthContext, lock_session
from flaskauth.sessions.device_names import device_name
from flaskauth.web.blueprint import bp
from flaskauth.web.decorators import account_page
from flaskauth.web.rendering import redirect_with_notice, render

SESSIONS = "/account/sessions"


@bp.get(SESSIONS)
@account_page(allows_enrolment=True)
def sessions_page(auth: AuthContext) -> Response:
    """List the active sessions, the newest first."""
    rows = [(session, device_name(session.user_agent)) for session in service.active_sessions(auth.user.id)]
    return render("sessions.html", rows=rows)


@bp.post("/account/sessions/<int:session_id>/end")
@rate_limit()
@account_page(fresh=True, allows_enrolment=True)
def end_session(auth: AuthContext, session_id: int) -> Response:
    """Revoke one session."""
    with suppress(NotFound):  # it was ended in another tab
        service.revoke_own(lock_session(auth).id, session_id)
    return redirect_with_notice(SESSIONS, "session_ended")


@bp.post("/account/sessions/end-others")
@rate_limit()
@account_page(fresh=True, allows_enrolment=True)
def end_other_sessions(auth: AuthContext) -> Response:
    """Revoke all other sessions. Other devices are no longer recognised."""
    service.revoke_others(lock_session(auth).id, current_session=auth.session)
    return redirect_with_notice(SESSIONS, "sessions_ended")
