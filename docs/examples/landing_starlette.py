"""Landing pages of all marketplaces in Starlette; `uvicorn landing_starlette:app` serves them."""

import contextlib
from collections.abc import AsyncIterator
from typing import TypedDict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from crossmarket import (
    ConflictError,
    CrossmarketError,
    InvalidTokenError,
    SignatureError,
    UnknownMarketplaceError,
    aio,
)

COOKIE = "landing"


class State(TypedDict):
    """What every request finds in `request.state`."""

    market: aio.Market


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[State]:
    """Open the market once for all requests."""
    async with await aio.Market.open() as market:
        yield {"market": market}


async def land(request: Request) -> Response:
    """Take the token out of the address or the form, exchange it, and keep the landing in a cookie."""
    market: aio.Market = request.state.market
    marketplace = request.path_params["marketplace"]
    capabilities = await market.capabilities(marketplace)
    fields = await request.form() if request.method == "POST" else request.query_params
    landing = await market.land(marketplace, str(fields.get(capabilities.landing_parameter, "")))
    answer = RedirectResponse("/sign-up", status_code=303)  # the token is no longer in the address
    answer.set_cookie(COOKIE, landing.seal(), httponly=True, secure=request.url.scheme == "https", samesite="lax")
    return answer


async def sign_up(_: Request) -> Response:
    """Let the buyer confirm. Your own sign-in and CSRF protection belong here."""
    return HTMLResponse('<form method="post"><button>Set up my account</button></form>')


async def confirm(request: Request) -> Response:
    """Activate for the account that is signed in."""
    market: aio.Market = request.state.market
    landing = await market.unseal(request.cookies.get(COOKIE, ""))
    subscription = await market.activate(landing, account="acct_42")
    answer = PlainTextResponse(f"Your subscription is {subscription.status}.")
    answer.delete_cookie(COOKIE)
    return answer


async def show_error(_: Request, error: Exception) -> Response:
    """Tell the buyer what to do; everything else is for your log."""
    match error:
        case UnknownMarketplaceError():
            return PlainTextResponse("There is no such page.", status_code=404)
        case InvalidTokenError() | SignatureError() | ConflictError():
            return PlainTextResponse(error.buyer_message, status_code=400)
        case _:
            return PlainTextResponse("The marketplace cannot be asked now. Please come again.", status_code=503)


app = Starlette(
    routes=[
        Route("/land/{marketplace}", land, methods=["GET", "POST"]),
        Route("/sign-up", sign_up, methods=["GET"]),
        Route("/sign-up", confirm, methods=["POST"]),
    ],
    exception_handlers={CrossmarketError: show_error},
    lifespan=lifespan,
)
