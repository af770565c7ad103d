"""/auth/passkeys: sign-in with a passkey."""

from flaskauth.core.http.request import Blueprint, public, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.login import passkey
from flaskauth.login.passkey import PasskeyLoginData
from flaskauth.login.schemas import LoginResponse, PasskeyLoginRequest
from flaskauth.login.service import InvalidCredentials, LoginResult
from flaskauth.passkeys import assertions
from flaskauth.passkeys.schemas import OptionsResponse

bp = Blueprint("passkey_login", __name__, tag="Sign-in", url_prefix="/auth")


@bp.post("/passkeys/options")
@public
@rate_limit("verify")
@bp.output(OptionsResponse)
def get_passkey_sign_in_options() -> dict[str, object]:
    """Request the options of a sign-in with a passkey.

    Pass `options` to `PublicKeyCredential.parseRequestOptionsFromJSON` and the result to `navigator.credentials.get`.
    They are valid for 5 minutes.
    """
    return {"options": assertions.sign_in_options()}


@bp.post("/passkeys")
@public
@rate_limit("login")
@raises(InvalidCredentials)
@bp.input(PasskeyLoginRequest, arg_name="form")
@bp.output(LoginResponse)
def sign_in_with_passkey(form: PasskeyLoginData) -> LoginResult:
    """Sign in with a passkey.

    Send what `toJSON()` of the credential returns. The authenticator must verify the user, so no second factor is
    required. Security keys cannot sign in.
    """
    return passkey.sign_in(form)
