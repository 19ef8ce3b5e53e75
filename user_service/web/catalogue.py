"""The catalogue of problem codes. It only ever grows: a client may rely on a code for good."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """What a code means: its HTTP status, a title that never changes, why it happens and what to do."""

    status: int
    title: str
    why: str
    remedy: str


CATALOGUE: dict[str, Entry] = {
    "bad_request": Entry(400, "Bad request", "The request as a whole cannot be read.", "Correct how it is sent."),
    "invalid_json": Entry(
        400,
        "Invalid JSON",
        "The body is not one JSON object in UTF-8, repeats a member, nests deeper than 32, or holds NaN, Infinity"
        " or half a surrogate pair.",
        "Send the output of a JSON library as it is.",
    ),
    "token_required": Entry(
        401, "Access token required", "No access token came with the request.", "Send Authorization: Bearer <token>."
    ),
    "invalid_credentials": Entry(
        401, "Invalid credentials", "The username or the password is wrong.", "Check both and try again."
    ),
    "invalid_token": Entry(
        401,
        "Invalid token",
        "The token was not signed by this service, was altered, or is of another kind than this place takes.",
        "Log in again.",
    ),
    "token_expired": Entry(
        401,
        "Token expired",
        "The token is genuine and its time has passed.",
        "Refresh with POST /token/refresh; if the refresh token has expired, log in again.",
    ),
    "token_revoked": Entry(401, "Token revoked", "The token is genuine and its session has ended.", "Log in again."),
    "refresh_token_reused": Entry(
        401,
        "Refresh token reused",
        "A refresh token that was exchanged before came back. Somebody may have stolen it, so the session was closed.",
        "Log in again. If it happens often, look for a client that keeps an old refresh token.",
    ),
    "account_disabled": Entry(
        403, "Account disabled", "The password is right and the account is disabled.", "Ask the support."
    ),
    "forbidden": Entry(403, "Forbidden", "You are known, and this is not allowed to you.", "Use another account."),
    "not_found": Entry(404, "Not found", "There is nothing at this address.", "Check it against GET /openapi.json."),
    "profile_not_found": Entry(404, "Profile not found", "You have no profile.", "Create it with POST /profile."),
    "payment_info_not_found": Entry(
        404,
        "Payment information not found",
        "No payment information is stored for you.",
        "Store it with POST /profile/payment_info.",
    ),
    "session_not_found": Entry(
        404, "Session not found", "You have no open session with this id.", "List yours with GET /sessions."
    ),
    "error_not_found": Entry(404, "Code not found", "There is no such code in the catalogue.", "Check its spelling."),
    "method_not_allowed": Entry(
        405, "Method not allowed", "The address exists, and not for this method.", "The Allow header lists what is."
    ),
    "username_taken": Entry(409, "Username taken", "Somebody has this username.", "Choose another one."),
    "email_taken": Entry(
        409, "E-mail address taken", "An account with this address exists.", "Log in, or use another address."
    ),
    "profile_exists": Entry(409, "Profile exists", "You have a profile already.", "Change it with PUT /profile."),
    "payment_info_exists": Entry(
        409,
        "Payment information exists",
        "Payment information is stored already.",
        "Replace it with PUT /profile/payment_info.",
    ),
    "precondition_failed": Entry(
        412,
        "Precondition failed",
        "If-Match names a state that is not the present one: somebody changed it since you read it.",
        "Read it again, then decide.",
    ),
    "request_too_large": Entry(413, "Request too large", "The body is larger than 64 KiB.", "Send less."),
    "unsupported_media_type": Entry(
        415,
        "Unsupported media type",
        "Bodies are read as application/json in UTF-8, not compressed, and nothing else.",
        "Send the header Content-Type: application/json.",
    ),
    "validation_failed": Entry(
        422,
        "Validation failed",
        "The request is well formed and some of its values are not acceptable.",
        "The member errors names each of them and says why.",
    ),
    "raw_card_number_refused": Entry(
        422,
        "Card number refused",
        "A value looks like a payment card number. This service stores none, so it refused the request.",
        "Exchange the card for a token at your payment provider and send that.",
    ),
    "too_many_requests": Entry(
        429, "Too many requests", "A limit was reached.", "Wait as many seconds as Retry-After says."
    ),
    "internal_error": Entry(
        500,
        "Internal error",
        "Something failed on our side.",
        "Try again; if it stays, report the request_id.",
    ),
    "service_unavailable": Entry(
        503,
        "Service unavailable",
        "A part that the service needs, such as its database, is not available.",
        "Nothing was changed. Wait as many seconds as Retry-After says and try again.",
    ),
    # What follows stands in the member `errors`, one code for each value that was refused.
    "required": Entry(422, "Required", "The member is missing.", "Send it."),
    "null": Entry(422, "Null", "The member is null.", "Leave it out, or send a value."),
    "unknown_field": Entry(422, "Unknown field", "The member does not exist here.", "Leave it out."),
    "invalid_type": Entry(422, "Invalid type", "The value has another type than this one.", "Send the right type."),
    "invalid_format": Entry(422, "Invalid format", "The value does not have the form it needs.", "See the message."),
    "control_character": Entry(422, "Control character", "The text holds a control character.", "Remove it."),
    "too_short": Entry(422, "Too short", "The text is too short.", "Send a longer one."),
    "too_long": Entry(422, "Too long", "The text is too long.", "Send a shorter one."),
    "out_of_range": Entry(422, "Out of range", "The number is outside its range.", "Send one that is inside."),
    "reserved": Entry(422, "Reserved", "The name is reserved.", "Choose another one."),
    "unknown_country": Entry(
        422, "Unknown country", "This is no country code.", "Use the two letters of ISO 3166-1, such as JP."
    ),
    "invalid_cursor": Entry(422, "Invalid cursor", "The cursor is not one of this list's.", "Start without it."),
    "password_too_short": Entry(422, "Password too short", "The password is too short.", "Use a longer one."),
    "password_too_long": Entry(422, "Password too long", "The password has over 1,024 bytes.", "Use a shorter one."),
    "password_common": Entry(
        422, "Common password", "The password is among those that attackers try first.", "Choose another one."
    ),
    "password_contains_identity": Entry(
        422,
        "Password contains a name",
        "The password contains your username, your e-mail address or the name of the service.",
        "Choose one that has nothing to do with them.",
    ),
    # What came later.
    "wrong_password": Entry(
        403,
        "Wrong password",
        "The current password, which this asks for again, is wrong.",
        "Type it again; if it is forgotten, have it reset.",
    ),
    "email_not_verified": Entry(
        403,
        "E-mail address not verified",
        "The password is right, and the address of the account has to be verified before the first log-in.",
        "Open the link that was mailed, or have a new one sent with POST /email/verification.",
    ),
    "one_time_token_invalid": Entry(
        401,
        "One-time token invalid",
        "The token of the mailed link was used already, is older than 30 minutes, was replaced by a newer one, or the"
        " account has changed since.",
        "Ask for a new mail.",
    ),
    "user_not_found": Entry(404, "User not found", "There is no user with this id.", "Check the id."),
    "insufficient_scope": Entry(
        403,
        "Insufficient scope",
        "The service client is known, and none of its scopes covers this.",
        "Have a client made that has the scope.",
    ),
    "client_name_taken": Entry(409, "Client name taken", "A service client has this name.", "Choose another one."),
    "client_not_found": Entry(
        404, "Client not found", "No service client has this name, or it is revoked.", "List the clients first."
    ),
    "key_not_found": Entry(404, "Key not found", "There is no key with this id.", "List the keys first."),
    "last_key": Entry(409, "Last key", "No other key can sign, so this one has to stay.", "Rotate first, at once."),
}
