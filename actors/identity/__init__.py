"""The identity domain: users' sessions, one each across devices."""
