#include "cli/api_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/api_socket.h"

namespace hairpin {
namespace {

using Curl = std::unique_ptr<CURL, decltype([](CURL* handle) { curl_easy_cleanup(handle); })>;

size_t append(const char* bytes, size_t size, size_t count, void* body) {
    static_cast<std::string*>(body)->append(bytes, size * count);
    return size * count;
}

std::string escaped(CURL* curl, const std::string& text) {
    char* safe = curl_easy_escape(curl, text.c_str(), static_cast<int>(text.size()));
    std::string copy = safe ? safe : "";
    curl_free(safe);
    return copy;
}

constexpr long connect_ms = 2000;
constexpr long silence_seconds = 10;  // a list may be long, and a reload that comes first, too

Error unreachable(const std::string& socket) {
    return {
        fmt::format("no gateway answers at {}: either none runs, or it listens elsewhere (--socket), or only root "
                    "and its group may ask it",
                    socket.empty() ? "a socket of this user" : socket)};
}

Error foreign(const std::string& socket) {
    return {fmt::format("what answers at {} is no hairpin: say where the gateway listens (--socket)", socket)};
}

Error failure(CURLcode code, const std::string& socket) {
    if (code == CURLE_COULDNT_CONNECT) return unreachable(socket);
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY) return foreign(socket);
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return {
            fmt::format("nothing came from {} for {} s: the gateway is busy, or it is no hairpin; ask again, or say "
                        "where the gateway listens (--socket)",
                        socket, silence_seconds)};
    }
    return {fmt::format("asking the gateway at {}: {}", socket, curl_easy_strerror(code))};
}

bool comes_from_hairpin(CURL* curl) {
    curl_header* server = nullptr;
    return curl_easy_header(curl, "Server", 0, CURLH_HEADER, -1, &server) == CURLHE_OK &&
           std::string_view(server->value).starts_with("hairpin/");
}

// Asks, and reads the answer.
Result<nlohmann::json> perform(CURL* curl, const std::string& path, const std::string& socket) {
    const std::string url = "http://hairpin" + path;
    std::string body;
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    if (const CURLcode done = curl_easy_perform(curl); done != CURLE_OK) return failure(done, socket);
    const auto answer = nlohmann::json::parse(body, nullptr, false);
    if (!comes_from_hairpin(curl) || !answer.is_object()) return foreign(socket);
    const auto error = answer.find("error");
    if (error == answer.end()) return answer;
    return error->is_string() ? Error{error->get<std::string>()} : foreign(socket);
}

}  // namespace

ApiClient::ApiClient() : socket(default_api_socket()) {
    if (!is_served(socket)) socket = system_socket;
}

void ApiClient::add_socket(CLI::App& app) {
    app.add_option("--socket", socket, "where the gateway listens")->option_text(fmt::format("PATH [{}]", socket));
}

Result<nlohmann::json> ApiClient::get(const std::string& path, const Query& query) const {
    const Curl curl(curl_easy_init());
    if (!curl) return Error{"libcurl does not start"};
    std::string url = path;
    for (size_t i = 0; i < query.size(); ++i) {
        url += fmt::format("{}{}={}", i == 0 ? '?' : '&', query[i].first, escaped(curl.get(), query[i].second));
    }
    curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, silence_seconds);
    return perform(curl.get(), url, socket);
}

Result<nlohmann::json> ApiClient::post(const std::string& path) const {
    const Curl curl(curl_easy_init());
    if (!curl) return Error{"libcurl does not start"};
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, "");
    return perform(curl.get(), path, socket);
}

Result<int> ApiClient::ask(const std::string& path, const Query& query,
                           const std::function<Result<int>(const nlohmann::json& answer)>& show) const {
    const auto answer = get(path, query);
    if (!answer) return answer.error();
    try {
        return show(*answer);
    } catch (const nlohmann::json::exception&) {
        return Error{
            fmt::format("what answers at {} is no hairpin of this version, {}: ask it with its own, or say where the "
                        "gateway listens (--socket)",
                        socket, HAIRPIN_VERSION)};
    }
}

}  // namespace hairpin
