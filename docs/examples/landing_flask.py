"""Landing pages of all marketplaces in Flask; `flask --app landing_flask run` serves them."""

from flask import Flask, Response, redirect, request

from crossmarket import (
    ConflictError,
    CrossmarketError,
    InvalidTokenError,
    Market,
    SignatureError,
    UnknownMarketplaceError,
)

app = Flask(__name__)
market = Market.open()  # one for all threads; a server may fork its workers afterwards


@app.route("/land/<marketplace>", methods=["GET", "POST"])
def land(marketplace: str) -> Response:
    """Exchange the token, and keep the landing in a cookie."""
    name = market.capabilities(marketplace).landing_parameter
    landing = market.land(marketplace, request.values.get(name, ""))
    answer = redirect("/sign-up", code=303)  # the token is no longer in the address
    answer.set_cookie("landing", landing.seal(), httponly=True, secure=request.is_secure, samesite="Lax")
    return answer


@app.get("/sign-up")
def sign_up() -> str:
    """Let the buyer confirm. Your own sign-in and CSRF protection belong here."""
    return '<form method="post"><button>Set up my account</button></form>'


@app.post("/sign-up")
def confirm() -> str:
    """Activate for the account that is signed in."""
    landing = market.unseal(request.cookies.get("landing", ""))
    subscription = market.activate(landing, account="acct_42")
    return f"Your subscription is {subscription.status}."


@app.errorhandler(InvalidTokenError)
@app.errorhandler(SignatureError)
@app.errorhandler(ConflictError)
def refuse(error: InvalidTokenError | SignatureError | ConflictError) -> tuple[str, int]:
    """Tell the buyer what to do; `str(error)` is for your log."""
    return error.buyer_message, 400


@app.errorhandler(UnknownMarketplaceError)
def no_page(_: UnknownMarketplaceError) -> tuple[str, int]:
    """Know no other marketplace."""
    return "There is no such page.", 404


@app.errorhandler(CrossmarketError)
def come_again(error: CrossmarketError) -> tuple[str, int]:
    """Keep everything else for the log: it is not the buyer's to repair."""
    app.logger.error("%s", error)
    return "The marketplace cannot be asked now. Please come again.", 503
