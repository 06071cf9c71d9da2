#include "cli/api_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "daemon/api_socket.h"

namespace hairpin {
namespace {

using Curl = std::unique_ptr<CURL, decltype([](CURL* handle) { curl_easy_cleanup(handle); })>;
using Multi = std::unique_ptr<CURLM, decltype([](CURLM* handle) { curl_multi_cleanup(handle); })>;

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
constexpr size_t most_refusal = size_t{1024} * 1024;

Error unreachable(const std::string& socket) {
    return {
        fmt::format("no gateway answers at {}: either none runs, or it listens elsewhere (--socket), or only root "
                    "and its group may ask it",
                    socket.empty() ? "a socket of this user" : socket)};
}

Error foreign(const std::string& socket) {
    return {fmt::format("what answers at {} is no hairpin: say where the gateway listens (--socket)", socket)};
}

// What the gateway says in place of an answer.
Error told_error(const nlohmann::json& answer, const std::string& socket) {
    const auto error = answer.find("error");
    return error != answer.end() && error->is_string() ? Error{error->get<std::string>()} : foreign(socket);
}

Error failure(CURLcode code, const std::string& socket, long seconds_of_silence) {
    if (code == CURLE_COULDNT_CONNECT) return unreachable(socket);
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY) return foreign(socket);
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return {
            fmt::format("nothing came from {} for {} s: the gateway is busy, or it is no hairpin; ask again, or say "
                        "where the gateway listens (--socket)",
                        socket, seconds_of_silence)};
    }
    return {fmt::format("asking the gateway at {}: {}", socket, curl_easy_strerror(code))};
}

// GET or POST of a path at the socket.
void aim(CURL* curl, const std::string& socket, const std::string& path, const ApiClient::Query& query) {
    std::string url = "http://hairpin" + path;
    for (size_t i = 0; i < query.size(); ++i) {
        url += fmt::format("{}{}={}", i == 0 ? '?' : '&', query[i].first, escaped(curl, query[i].second));
    }
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
}

bool comes_from_hairpin(CURL* curl) {
    curl_header* server = nullptr;
    return curl_easy_header(curl, "Server", 0, CURLH_HEADER, -1, &server) == CURLHE_OK &&
           std::string_view(server->value).starts_with("hairpin/");
}

// An answer that goes on, as it is heard.
struct Heard {
    CURL* curl;
    const std::function<bool(std::string_view)>& take;
    std::string refusal = {};  // all that was said in its place
    std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};

// Less than all of it ends the transfer.
size_t hear(const char* bytes, size_t size, size_t count, void* of) {
    auto& heard = *static_cast<Heard*>(of);
    const std::string_view piece(bytes, size * count);
    heard.last = std::chrono::steady_clock::now();
    long status = 0;
    curl_easy_getinfo(heard.curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200 && comes_from_hairpin(heard.curl)) return heard.take(piece) ? piece.size() : 0;
    heard.refusal += piece;
    return heard.refusal.size() <= most_refusal ? piece.size() : 0;
}

// How a transfer ends; nothing: it is over before, because `is_over` says so.
std::optional<CURLcode> perform(CURL* curl, const std::function<bool()>& is_over,
                                const std::vector<pollfd>& descriptors) {
    constexpr int longest_poll_ms = 1000;
    const Multi multi(curl_multi_init());
    curl_multi_add_handle(multi.get(), curl);
    std::vector<curl_waitfd> others;
    others.reserve(descriptors.size());
    for (const pollfd& other : descriptors) {
        others.push_back({other.fd, static_cast<short>(other.events & POLLIN ? CURL_WAIT_POLLIN : 0), 0});
    }
    int running = 1;
    while (curl_multi_perform(multi.get(), &running) == CURLM_OK && running > 0 && !is_over()) {
        curl_multi_poll(multi.get(), others.data(), static_cast<unsigned>(others.size()), longest_poll_ms, nullptr);
    }
    int left = 0;
    const CURLMsg* message = curl_multi_info_read(multi.get(), &left);
    const auto done = message ? std::optional(message->data.result) : std::nullopt;
    curl_multi_remove_handle(multi.get(), curl);
    return done;
}

}  // namespace

ApiClient::ApiClient() : socket(default_api_socket()) {
    if (!is_served(socket)) socket = system_socket;
}

void ApiClient::add_socket(CLI::App& app) {
    app.add_option("--socket", socket, "where the gateway listens")->option_text(fmt::format("PATH [{}]", socket));
}

Result<long> ApiClient::exchange(const std::string& path, const Query& query, const std::string* body,
                                 nlohmann::json& answer) const {
    const Curl curl(curl_easy_init());
    if (!curl) return Error{"libcurl does not start"};
    std::string text;
    aim(curl.get(), socket, path, query);
    if (body) {
        curl_easy_setopt(curl.get(), CURLOPT_POST, 1L);
        curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
        curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body->c_str());
    } else {  // a change may take its time
        curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, silence_seconds);
    }
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &text);
    if (const CURLcode done = curl_easy_perform(curl.get()); done != CURLE_OK) {
        return failure(done, socket, silence_seconds);
    }
    answer = nlohmann::json::parse(text, nullptr, false);
    if (!comes_from_hairpin(curl.get()) || !answer.is_object()) return foreign(socket);
    long status = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    return status;
}

Result<nlohmann::json> ApiClient::get(const std::string& path, const Query& query) const {
    nlohmann::json answer;
    if (const auto status = exchange(path, query, nullptr, answer); !status) return status.error();
    return answer.contains("error") ? told_error(answer, socket) : Result(std::move(answer));
}

Error ApiClient::other_version() const {
    return {
        fmt::format("what answers at {} is no hairpin of this version, {}: ask it with its own, or say where the "
                    "gateway listens (--socket)",
                    socket, HAIRPIN_VERSION)};
}

Result<int> ApiClient::ask(const std::string& path, const Query& query,
                           const std::function<Result<int>(const nlohmann::json& answer)>& show) const {
    const auto answer = get(path, query);
    if (!answer) return answer.error();
    try {
        return show(*answer);
    } catch (const nlohmann::json::exception&) {
        return other_version();
    }
}

Result<int> ApiClient::post(const std::string& path, const nlohmann::json& body,
                            const std::function<Result<int>(long status, const nlohmann::json& answer)>& show) const {
    nlohmann::json answer;
    const std::string text = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    const auto status = exchange(path, {}, &text, answer);
    if (!status) return status.error();
    try {
        return show(*status, answer);
    } catch (const nlohmann::json::exception&) {
        return other_version();
    }
}

Result<> ApiClient::follow(const std::string& path, const Query& query,
                           const std::function<bool(std::string_view piece)>& take,
                           const std::function<bool()>& is_over, const std::vector<pollfd>& descriptors) const {
    const Curl curl(curl_easy_init());
    if (!curl) return Error{"libcurl does not start"};
    Heard heard{curl.get(), take};
    aim(curl.get(), socket, path, query);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, hear);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &heard);
    // By our own clock: libcurl takes some bytes now and then for none (CURLOPT_LOW_SPEED_LIMIT).
    const auto is_silent = [&] { return std::chrono::steady_clock::now() - heard.last >= longest_silence; };
    const auto done = perform(
        curl.get(), [&] { return is_over() || is_silent(); }, descriptors);
    if (!done && is_silent()) return failure(CURLE_OPERATION_TIMEDOUT, socket, longest_silence.count());
    if (!done || *done == CURLE_WRITE_ERROR) return {};
    if (*done != CURLE_OK) return failure(*done, socket, longest_silence.count());
    if (!comes_from_hairpin(curl.get())) return foreign(socket);
    if (heard.refusal.empty()) return {};
    return told_error(nlohmann::json::parse(heard.refusal, nullptr, false), socket);
}

}  // namespace hairpin
