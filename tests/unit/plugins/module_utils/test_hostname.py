from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.hostname import host_name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("CRM.Example.com.", "crm.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        # What IDNA 2008 alone knows, in its ASCII form.
        ("xn--strae-oqa.example", "xn--strae-oqa.example"),
        ("пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("shop。例え.テスト", "shop.xn--r8jz45g.xn--zckzah"),
        ("한국.kr", "xn--3e0b707e.kr"),
        ("müller-7.example", "xn--mller-7-n2a.example"),
    ],
)
def test_a_name_is_what_it_is_in_ascii(written, name):
    assert host_name(written, "stack_domain") == name


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("\u0440\u0430ypal.example", "mixes the scripts cyrillic, latin"),
        ("\u03b1lpha.example", "mixes the scripts greek, latin"),
        ("straße.example", "a letter of which browsers make several names"),
        ("a\u200db.example", "a letter of which browsers make several names"),
        ("xn--\u00fc.example", "cannot be written in ASCII"),
        ("xn--99999999999.example", "is the ASCII form of no name"),
        ("ﬁsch.example", "cannot be written in ASCII"),
        ("ü" * 70 + ".example", "cannot be written in ASCII"),
        ("bücher..example", "is not a domain name; write one such as"),
        ("bücher example", "cannot be written in ASCII|is not a domain name"),
        ("*.bücher.example", "is not a domain name; write one such as"),
        ("https://bücher.example", "cannot be written in ASCII|is not a domain name"),
    ],
)
def test_what_is_no_name_is_refused_with_the_reason(written, why):
    with pytest.raises(UserError, match=f"stack_domain: .* is not a domain name.*(?:{why})|stack_domain: .*(?:{why})"):
        host_name(written, "stack_domain")
