#include "daemon/administration.h"

#include <gtest/gtest.h>

#include "unit/model/values.h"

namespace hairpin {
namespace {

std::vector<Service> services() {
    return {service("web", {"1.0.0.1:80"}, {"10.0.0.2:80", "10.0.0.3:80"}),
            service("api", {"1.0.0.1:81"}, {"10.0.0.2:80", "10.0.0.2:81"}),
            service("range", {"1.0.0.1:90-99"}, {"10.0.0.4:90-99"})};
}

std::vector<std::string> names_meant(std::string_view backend, std::string_view service = "") {
    std::vector<std::string> texts;
    const auto found = meant(services(), *BackendPattern::parse(backend), service);
    if (!found) return {found.error().message};
    for (const ServiceBackend& name : *found) texts.push_back(name.service + " " + name.backend.str());
    return texts;
}

TEST(BackendPattern, MeansAPortOrAllOfAHostInOneServiceOrAll) {
    using Names = std::vector<std::string>;
    EXPECT_EQ(names_meant("10.0.0.2:80"), (Names{"web 10.0.0.2:80", "api 10.0.0.2:80"}));
    EXPECT_EQ(names_meant("10.0.0.2"), (Names{"web 10.0.0.2:80", "api 10.0.0.2:80", "api 10.0.0.2:81"}));
    EXPECT_EQ(names_meant("10.0.0.2:80", "api"), (Names{"api 10.0.0.2:80"}));
    EXPECT_EQ(names_meant("10.0.0.4:90-99"), (Names{"range 10.0.0.4:90-99"}));
}

TEST(BackendPattern, ThatMeansNothingIsToldWhatIsNear) {
    using Names = std::vector<std::string>;
    EXPECT_EQ(names_meant("10.0.0.2:82"),
              (Names{"there is no backend 10.0.0.2:82: near it are 10.0.0.2:80, 10.0.0.2:81"}));
    EXPECT_EQ(names_meant("10.0.0.9:81"), (Names{"there is no backend 10.0.0.9:81: near it are 10.0.0.2:81"}));
    EXPECT_EQ(names_meant("10.0.0.9", "web"),
              (Names{"there is no backend 10.0.0.9: near it are 10.0.0.2:80, 10.0.0.3:80"}));
    EXPECT_EQ(names_meant("10.0.0.2", "wob"), (Names{"there is no service 'wob': did you mean web?"}));
    EXPECT_EQ(BackendPattern::parse("srv1").error().message, "'srv1' is neither an address nor ADDRESS:PORT");
}

TEST(Administration, EachOrderIsEndedByItsOwn) {
    const ServiceBackend name{"web", range("10.0.0.2:80")};
    Administration administration;
    EXPECT_TRUE(administration.empty());
    administration.carry_out(Order::drain, name);
    EXPECT_EQ(administration.duty(name), Duty::draining);
    administration.carry_out(Order::enable, name);
    EXPECT_EQ(administration.duty(name), Duty::draining);
    administration.carry_out(Order::disable, name);
    EXPECT_EQ(administration.duty(name), Duty::disabled);
    administration.carry_out(Order::undrain, name);
    EXPECT_EQ(administration.duty(name), Duty::disabled);
    administration.carry_out(Order::enable, name);
    EXPECT_EQ(administration.duty(name), Duty::ready);
    EXPECT_TRUE(administration.empty());
}

TEST(Administration, LeavesOutWhoIsNotReadyAndChecksWhoDrains) {
    Administration administration;
    administration.carry_out(Order::drain, {"web", range("10.0.0.2:80")});
    administration.carry_out(Order::disable, {"api", range("10.0.0.2:81")});
    const auto all = services();
    EXPECT_EQ(administration.in_rotation(all[0]).backends, (std::vector<Backend>{{range("10.0.0.3:80")}}));
    EXPECT_EQ(administration.in_rotation(all[1]).backends, (std::vector<Backend>{{range("10.0.0.2:80")}}));
    EXPECT_TRUE(administration.concerns(all[0]));
    EXPECT_FALSE(administration.concerns(all[2]));
    const auto checked = administration.checked(all);
    EXPECT_EQ(checked[0], all[0]);
    EXPECT_EQ(checked[1].backends, (std::vector<Backend>{{range("10.0.0.2:80")}}));
}

TEST(Administration, KeepsWhatIsStillConfigured) {
    Administration administration;
    administration.carry_out(Order::drain, {"web", range("10.0.0.2:80")});
    administration.carry_out(Order::disable, {"api", range("10.0.0.2:81")});
    administration.keep({services()[0]});
    EXPECT_EQ(administration.duty({"web", range("10.0.0.2:80")}), Duty::draining);
    EXPECT_EQ(administration.duty({"api", range("10.0.0.2:81")}), Duty::ready) << "it may come back as a new one";
}

TEST(Administration, KeepsWhatDnsMaySayAgain) {
    std::vector<Service> named = services();
    named[0].backend_names.emplace_back();
    const ServiceBackend of_a_name{"web", *EndpointRange::parse("10.0.0.9:80")};
    const ServiceBackend of_nobody{"api", *EndpointRange::parse("10.0.0.9:80")};
    Administration administration;
    administration.carry_out(Order::drain, of_a_name);
    administration.carry_out(Order::drain, of_nobody);
    administration.keep(named);
    EXPECT_EQ(administration.duty(of_a_name), Duty::draining);
    EXPECT_EQ(administration.duty(of_nobody), Duty::ready);
    administration.keep(services());
    EXPECT_TRUE(administration.empty());
}

}  // namespace
}  // namespace hairpin
