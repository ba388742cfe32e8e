// tests/Main.cpp — Catch2's main, compiled once. A run of zero cases is a failure.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

int main(int argc, char** argv) {
  Catch::Session session;
  int status = session.applyCommandLine(argc, argv);
  if (status != 0) return status;
  session.configData().warnings = Catch::WarnAbout::NoTests;
  return session.run();
}
