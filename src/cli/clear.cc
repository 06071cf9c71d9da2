#include <fmt/core.h>

#include <CLI/App.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/api_client.h"
#include "cli/commands.h"
#include "engines/registry.h"

namespace hairpin {
namespace {

int fail(const std::string& message) {
    fmt::print(stderr, "hairpin clear: {}\n", message);
    return exit_failed;
}

// The process that serves in this network namespace, as far as it can be asked.
std::optional<int> serving(const ApiClient& api) {
    const auto status = api.get("/v1/status");
    std::error_code ignored;
    if (!status) return std::nullopt;
    const auto here = std::filesystem::read_symlink("/proc/self/ns/net", ignored).string();
    if (status->value("network_namespace", "") != here) return std::nullopt;
    return status->value("pid", 0);
}

int run(const ApiClient& api) {
    if (const auto pid = serving(api)) {
        return fail(
            fmt::format("process {} is serving: stop it, and it takes everything with it (systemctl stop "
                        "hairpin, or kill {})",
                        *pid, *pid));
    }
    int status = exit_ok;
    for (const EngineEntry& entry : engines()) {
        const auto engine = entry.make({});
        if (const auto cleared = engine->clear(); !cleared) status = fail(cleared.error().message);
    }
    if (status == exit_ok) fmt::print("nothing of hairpin is left in the kernel\n");
    return status;
}

}  // namespace

Action clear_command(CLI::App& app) {
    const auto api = std::make_shared<ApiClient>();
    api->add_socket(app);
    app.footer(
        "Example:\n"
        "  hairpin clear\n\n"
        "A gateway that is stopped leaves nothing; one that is killed leaves the kernel forwarding, with engines that\n"
        "have it do so. This ends that, and puts back the sysctls that were set.");
    return [api] { return run(*api); };
}

}  // namespace hairpin
