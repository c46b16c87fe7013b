"""Addresses of account rules, SIP domains and sites."""

from django.urls import URLPattern, path

from provisioning.web.rules import domain_dns, places, rules

urlpatterns: list[URLPattern] = [
    # Account rules
    path("rules/", rules.rules, name="rules"),
    path("rules/new/", rules.rule_new, name="rule-new"),
    path("rules/preview/", rules.rule_preview, name="rule-preview"),
    path("rules/<int:pk>/", rules.rule_edit, name="rule-edit"),
    path("rules/<int:pk>/delete/", rules.rule_delete, name="rule-delete"),
    path("rules/<int:pk>/move/", rules.rule_move, name="rule-move"),
    path("rules/<int:pk>/preview/", rules.rule_preview, name="rule-edit-preview"),
    path("rules/<int:pk>/switch/", rules.rule_switch, name="rule-switch"),
    # SIP domains and sites
    path("domains/", places.domains, name="domains"),
    path("domains/new/", places.SipDomainPage.as_view(), name="domain-new"),
    path("domains/<int:pk>/", places.SipDomainPage.as_view(), name="domain"),
    path("domains/<int:pk>/delete/", places.domain_delete, name="domain-delete"),
    path("domains/<int:pk>/dns/", domain_dns.dns, name="domain-dns"),
    path("domains/<int:pk>/dns/check/", domain_dns.check, name="domain-dns-check"),
    path("sites/", places.sites, name="sites"),
    path("sites/new/", places.SitePage.as_view(), name="site-new"),
    path("sites/try/", places.try_dialling, name="site-try-new"),
    path("sites/<int:pk>/try/", places.try_dialling, name="site-try"),
    path("sites/<int:pk>/", places.SitePage.as_view(), name="site"),
    path("sites/<int:pk>/delete/", places.site_delete, name="site-delete"),
]
