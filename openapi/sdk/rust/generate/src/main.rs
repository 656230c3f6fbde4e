//! Writes `driftpack-client`'s generated part: `generate CONTRACT.json OUT.rs`. `./dev sdk` runs it.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(contract), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("generate CONTRACT.json OUT.rs".into());
    };
    let document: openapiv3::OpenAPI = serde_json::from_slice(&std::fs::read(contract)?)?;
    let mut settings = progenitor_impl::GenerationSettings::default();
    settings.with_interface(progenitor_impl::InterfaceStyle::Builder);
    // what every client carries, for the hook that sends requests
    settings.with_inner_type("crate::Retries".parse::<proc_macro2::TokenStream>()?);
    let tokens = progenitor_impl::Generator::new(&settings).generate_tokens(&document)?;
    std::fs::write(out, prettyplease::unparse(&syn::parse2(tokens)?))?;
    Ok(())
}
