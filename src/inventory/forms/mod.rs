//! Texts of a certain form: what the inventory's strings may look like, each with one parser and one message.

mod addresses;
mod names;
mod quantities;

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::cluster::Taint;
pub use addresses::{AddressRange, range};
pub use names::{dns_label, dns_subdomain, label_key, label_value};
pub use quantities::{WantedVersion, duration, quantity_value};

/// Why a text is refused, worded to follow the text itself: `is not an address; write …`.
pub type Refusal = String;

/// Declares types that are written as a string of one form. The name is the JSON Schema `format`.
macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident: $out:ty, $format:literal, $example:literal, $parse:path;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $name(pub $out);

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                    let text = String::deserialize(input)?;
                    $parse(&text).map(Self).map_err(|why| serde::de::Error::custom(format!("`{text}` {why}")))
                }
            }

            impl schemars::JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    schemars::json_schema!({"type": "string", "format": $format, "examples": [$example]})
                }
            }
        )*

        /// Checks a text against the form of that name; unknown forms accept everything.
        pub fn check(format: &str, text: &str) -> Result<(), Refusal> {
            match format {
                $($format => $parse(text).map(drop),)*
                _ => Ok(()),
            }
        }

        /// Every form: its name and an example.
        #[cfg(test)]
        pub const FORMS: &[(&str, &str)] = &[$(($format, $example)),*];
    };
}

forms! {
    /// A DNS-1123 label.
    Label: String, "dns-label", "homelab", dns_label;
    /// A full Kubernetes version, or a minor one that a bundle completes.
    KubernetesVersion: WantedVersion, "kubernetes-version", "1.33.4", quantities::wanted_version;
    /// A version of a component, with or without `v`.
    ComponentVersion: String, "version", "1.12.1", quantities::component_version;
    /// An IP address.
    Address: IpAddr, "ip", "10.0.0.11", addresses::address;
    /// Where SSH connects: an address or a name.
    HostAddress: String, "host-address", "10.0.0.11", addresses::host_address;
    /// An address with or without a prefix length.
    Vip: (IpAddr, Option<u8>), "vip", "10.0.0.10/24", addresses::vip;
    /// `HOST` or `HOST:PORT`.
    HostPort: (String, Option<u16>), "host-port", "api.example.org:6443", addresses::host_port;
    /// A network without host bits.
    Cidr: IpNet, "cidr", "10.244.0.0/16", addresses::cidr;
    /// Addresses for Services: a network or `FROM-TO`.
    Range: AddressRange, "address-range", "10.0.0.200-10.0.0.219", range;
    /// `500ms`, `15s`, `10m`, `4h`.
    Time: Duration, "duration", "15s", quantities::duration;
    /// `key=value:Effect` or `key:Effect`.
    TaintText: Taint, "taint", "dedicated=gpu:NoSchedule", names::taint;
    /// A Kubernetes quantity of CPU or memory.
    Quantity: String, "quantity", "500Mi", quantities::quantity;
    /// A list of CPUs as Linux writes it.
    CpuList: String, "cpu-list", "0-1", quantities::cpu_list;
    /// `64512:100` or `large:64512:1:2`.
    Community: String, "bgp-community", "64512:100", quantities::community;
    /// Five fields, or `@daily` and the like.
    Cron: String, "cron", "0 2 * * *", quantities::cron;
    /// `http://…`, `https://…` or `oci://…`.
    Url: String, "url", "https://mirror.example.org", quantities::url;
}

#[cfg(test)]
mod tests {
    use super::{FORMS, check, quantities::duration, quantity_value, range};

    #[test]
    fn every_form_takes_its_own_example_and_no_rubbish() {
        for (form, example) in FORMS {
            assert_eq!(check(form, example), Ok(()), "{form}");
            assert!(check(form, "?! ?!").is_err(), "{form} takes anything");
            assert!(check(form, "").is_err(), "{form} takes nothing");
        }
    }

    #[test]
    fn quantities_and_durations_have_their_units() {
        assert_eq!(quantity_value("1.5Gi"), Ok(1_610_612_736_000));
        assert_eq!(quantity_value("250m"), Ok(250));
        assert!(quantity_value("1Zi").is_err());
        assert_eq!(duration("1h30m").map(|time| time.as_secs()), Ok(5400));
        assert!(
            duration("15").is_err()
                && duration("0s").is_err()
                && duration("99999999999999999999h").is_err()
        );
    }

    #[test]
    fn ranges_are_normalised() {
        let text = |written| range(written).map(|range| range.text);
        assert_eq!(
            text("10.0.0.5 - 10.0.0.9"),
            Ok("10.0.0.5-10.0.0.9".to_owned())
        );
        assert_eq!(text("10.0.0.5"), Ok("10.0.0.5/32".to_owned()));
        assert_eq!(text("fd00::/120"), Ok("fd00::/120".to_owned()));
        assert!(text("10.0.0.9-10.0.0.5").is_err() && text("10.0.0.1-fd00::1").is_err());
    }
}
