// Names of backends, as they are written.
#include "model/backend_name.h"

#include <gtest/gtest.h>

namespace hairpin {
namespace {

TEST(BackendName, IsMeantWhereALetterStandsBeforeThePort) {
    for (const char* text : {"app.lan:8080", "db:5432", "app.lan", "a1.example.com.:80-89"}) {
        EXPECT_TRUE(BackendName::is_meant(text)) << text;
    }
    for (const char* text : {"10.0.0.2:80", "[fd00::2]:80", "fd00::2", "", ":80", "10.0.0.2"}) {
        EXPECT_FALSE(BackendName::is_meant(text)) << text;
    }
}

TEST(BackendName, HasPorts) {
    const auto name = BackendName::parse("app.lan:8000-8009");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->name, "app.lan");
    EXPECT_EQ(name->ports, (PortRange{8000, 8009}));
    EXPECT_EQ(name->str(), "app.lan:8000-8009");
    EXPECT_EQ(name->question(), (Question{"app.lan", false}));
}

TEST(BackendName, OfSrvRecordsHasNone) {
    const auto name = BackendName::parse_srv("_http._tcp.app.lan");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->str(), "SRV _http._tcp.app.lan");
    EXPECT_EQ(name->question(), (Question{"_http._tcp.app.lan", true}));
}

TEST(BackendName, SaysWhatIsWrong) {
    EXPECT_EQ(BackendName::parse("app.lan").error().message,
              "'app.lan' lacks a port: write NAME:PORT, such as app.lan:8080");
    EXPECT_EQ(BackendName::parse("app.lan:0").error().message,
              "'0' is not a port: write 1 to 65535, or a range FIRST-LAST");
    for (const std::string& text : {std::string("a..b:80"), std::string(".a:80"), std::string("-a:80"),
                                    std::string("a b:80"), std::string("a/b:80"), std::string(64, 'a') + ":80"}) {
        const auto name = BackendName::parse(text);
        ASSERT_FALSE(name) << text;
        EXPECT_NE(name.error().message.find("is no domain name"), std::string::npos) << name.error().message;
    }
}

}  // namespace
}  // namespace hairpin
