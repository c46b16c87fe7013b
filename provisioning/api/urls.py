"""Addresses that machines fetch."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
