//! The addresses of the contract and the methods that each takes: what a 405 has to say (RFC 9110, 15.5.6).

use std::sync::LazyLock;

use super::document;

/// A path of the contract, such as `/api/v2/orgs/{org_id}/scans`.
struct Address {
    segments: Vec<&'static str>,
    methods: String,
}

static ADDRESSES: LazyLock<Vec<Address>> = LazyLock::new(|| {
    let paths = document()["paths"].as_object().expect("the contract has paths");
    let mut all: Vec<Address> = paths
        .iter()
        .map(|(path, operations)| {
            let methods = operations.as_object().into_iter().flat_map(|all| all.keys());
            let mut methods: Vec<String> = methods.map(|name| name.to_uppercase()).collect();
            if methods.iter().any(|method| method == "GET") {
                methods.push("HEAD".to_owned());
            }
            methods.sort();
            Address { segments: path.split('/').collect(), methods: methods.join(", ") }
        })
        .collect();
    // `/a/b` goes before `/a/{x}`.
    all.sort_by_key(|address| address.segments.iter().filter(|one| one.starts_with('{')).count());
    all
});

/// The methods of an address, as `Allow` lists them.
pub(crate) fn methods(path: &str) -> Option<&'static str> {
    let given: Vec<&str> = path.split('/').collect();
    let fits = |address: &&Address| {
        address.segments.len() == given.len()
            && address.segments.iter().zip(&given).all(|(known, given)| {
                known == given || (known.starts_with('{') && !given.is_empty())
            })
    };
    ADDRESSES.iter().find(fits).map(|address| address.methods.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_methods_of_its_operations() {
        assert_eq!(methods("/healthz"), Some("GET, HEAD"));
        assert_eq!(methods("/api/v2/orgs/x/audit-exports"), Some("GET, HEAD, POST"));
        assert_eq!(methods("/api/v2/orgs/x/findings/y"), Some("GET, HEAD, PATCH"));
        assert_eq!(methods("/api/v2/admin/workflows/redrive"), Some("POST"));
    }

    #[test]
    fn what_is_no_address_has_none() {
        for path in ["/", "/nowhere", "/api/v2/orgs//scans", "/api/v2/orgs/x/scans/"] {
            assert_eq!(methods(path), None, "{path}");
        }
    }
}
