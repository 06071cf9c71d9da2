#include "daemon/order_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "daemon/process.h"

namespace hairpin {
namespace {

constexpr size_t most_bytes = 16 << 20;

Result<Administration> not_ours(std::string_view why) { return Error{fmt::format("this is not such a file: {}", why)}; }

}  // namespace

nlohmann::ordered_json to_json(const Administration& administration) {
    auto backends = nlohmann::ordered_json::array();
    for (const auto& [name, duty] : administration.duties()) {
        backends.push_back({{"service", name.service}, {"backend", name.backend.str()}, {"duty", hairpin::name(duty)}});
    }
    return {{"backends", std::move(backends)}};
}

Result<Administration> administration_from(const nlohmann::json& json) {
    std::map<ServiceBackend, Duty> duties;
    try {
        for (const auto& entry : json.at("backends")) {
            const auto backend = EndpointRange::parse(entry.at("backend").get<std::string>());
            const auto duty = from_name<Duty>(entry.at("duty").get<std::string>());
            if (!backend) return not_ours(backend.error().message);
            if (!duty) return not_ours("there is no such duty");
            duties[{entry.at("service"), *backend}] = *duty;
        }
    } catch (const nlohmann::json::exception& failure) {
        return not_ours(failure.what());
    }
    return Administration(std::move(duties));
}

OrderFile OrderFile::of_socket(const std::string& path) {
    if (path.empty()) return OrderFile();
    const std::string folder = folder_in("STATE_DIRECTORY");
    return OrderFile(folder.empty() ? path + ".orders" : folder + "/orders.json");
}

Result<Administration> OrderFile::read() const {
    if (path_.empty()) return Administration();
    const auto text = content();
    if (!text) return text.error().within(path_);
    if (text->empty()) return Administration();
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    auto read = json.is_discarded() ? not_ours("it is not JSON") : administration_from(json);
    return read ? read : read.error().within(path_);
}

// Empty: there is none.
Result<std::string> OrderFile::content() const {
    const Fd file(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file) return errno == ENOENT ? Result<std::string>("") : system_error("it cannot be read");
    struct stat status {};
    if (fstat(file.get(), &status) != 0) return system_error("it cannot be read");
    if (!S_ISREG(status.st_mode) || (status.st_uid != geteuid() && status.st_uid != 0)) {
        return Error{"it is another user's, or no file: it is not read"};
    }
    std::string text(std::min(static_cast<size_t>(status.st_size), most_bytes), '\0');
    const ssize_t length = ::read(file.get(), text.data(), text.size());
    if (length < 0) return system_error("it cannot be read");
    text.resize(static_cast<size_t>(length));
    return text;
}

Result<> OrderFile::write(const Administration& administration) const {
    if (path_.empty()) return {};
    if (administration.empty()) {
        if (unlink(path_.c_str()) == 0 || errno == ENOENT) return {};
        return system_error(path_ + " cannot be removed");
    }
    const std::string text = to_json(administration).dump(2) + "\n";
    const std::string draft = path_ + ".new";
    unlink(draft.c_str());
    const Fd file(open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) return system_error(path_ + " cannot be written");
    errno = ENOSPC;  // which a short write does not say
    if (::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(file.get()) == 0 &&
        rename(draft.c_str(), path_.c_str()) == 0) {
        return {};
    }
    const int error_number = errno;
    unlink(draft.c_str());
    return system_error(path_ + " cannot be written", error_number);
}

}  // namespace hairpin
