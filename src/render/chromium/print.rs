//! One page: served by us, printed, forgotten.
//!
//! The page comes from an address that exists nowhere; interception answers it once and fails every other request. Its
//! response carries a content security policy that allows inline style and nothing else, and scripts are off. A page with a
//! hostile frame may never finish loading: the caller bounds the time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chromiumoxide::cdp::browser_protocol::browser::BrowserContextId;
use chromiumoxide::cdp::browser_protocol::emulation::SetScriptExecutionDisabledParams;
use chromiumoxide::cdp::browser_protocol::fetch::{
    EnableParams, EventRequestPaused, FailRequestParams, FulfillRequestParams, HeaderEntry,
    RequestId,
};
use chromiumoxide::cdp::browser_protocol::network::ErrorReason;
use chromiumoxide::cdp::browser_protocol::page::PrintToPdfParams;
use chromiumoxide::cdp::browser_protocol::target::{
    CreateBrowserContextParams, CreateTargetParams,
};
use chromiumoxide::error::CdpError;
use chromiumoxide::listeners::EventStream;
use chromiumoxide::{Browser, Page};
use futures_util::StreamExt as _;

/// `.invalid` is reserved: no name server knows it.
const ADDRESS: &str = "http://export.invalid/";

const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; sandbox";

/// An empty page in a browser context of its own, whose requests are ours to answer. For one print.
pub(super) struct Ready {
    context: BrowserContextId,
    page: Page,
    requests: EventStream<EventRequestPaused>,
}

impl Ready {
    pub(super) async fn make(browser: &Browser) -> Result<Self, CdpError> {
        let context = browser.create_browser_context(CreateBrowserContextParams::default()).await?;
        let target = CreateTargetParams::builder().url("about:blank");
        let target = target.browser_context_id(context.clone()).build().map_err(CdpError::msg)?;
        let page = browser.new_page(target).await?;
        page.execute(SetScriptExecutionDisabledParams::new(true)).await?;
        let requests = page.event_listener::<EventRequestPaused>().await?;
        page.execute(EnableParams::default()).await?;
        Ok(Self { context, page, requests })
    }

    /// Prints `html`, and leaves nothing of it in the browser.
    pub(super) async fn print(self, browser: &Browser, html: &str) -> Result<Vec<u8>, CdpError> {
        let Self { context, page, requests } = self;
        let printed = tokio::select! {
            served = serve(&page, requests, html) => Err(served.err().unwrap_or(CdpError::NoResponse)),
            printed = load_and_print(&page) => printed,
        };
        browser.dispose_browser_context(context).await?;
        printed
    }
}

async fn load_and_print(page: &Page) -> Result<Vec<u8>, CdpError> {
    page.goto(ADDRESS).await?;
    let params = PrintToPdfParams {
        print_background: Some(true),
        prefer_css_page_size: Some(true),
        generate_tagged_pdf: Some(true),
        generate_document_outline: Some(true),
        ..PrintToPdfParams::default()
    };
    page.pdf(params).await
}

/// Answers requests for as long as it is polled.
async fn serve(
    page: &Page,
    mut requests: EventStream<EventRequestPaused>,
    html: &str,
) -> Result<(), CdpError> {
    let mut is_served = false;
    while let Some(request) = requests.next().await {
        let id = request.request_id.clone();
        if !is_served && request.request.url == ADDRESS {
            is_served = true;
            page.execute(answer(id, html)).await?;
        } else {
            tracing::warn!("the page to be printed asked for something else; refused");
            page.execute(FailRequestParams::new(id, ErrorReason::BlockedByClient)).await?;
        }
    }
    Ok(())
}

fn answer(id: RequestId, html: &str) -> FulfillRequestParams {
    let headers = vec![
        HeaderEntry::new("content-type", "text/html; charset=utf-8"),
        HeaderEntry::new("content-security-policy", POLICY),
    ];
    let mut answer = FulfillRequestParams::new(id, 200);
    answer.response_headers = Some(headers);
    answer.body = Some(BASE64.encode(html).into());
    answer
}
