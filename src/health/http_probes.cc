#include "health/http_probes.h"

#include <curl/curl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "net/socket.h"

namespace hairpin::health {
namespace {

std::string in_brackets(const Ip& ip) { return ip.is_v4() ? ip.str() : "[" + ip.str() + "]"; }

struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

}  // namespace

struct HttpProbes::Request {
    struct Cleanup {
        void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    };

    uint64_t number;
    Shared<HealthCheck> check;
    Endpoint asked;
    std::optional<CheckOrigin> origin;
    int no_origin = 0;       // why it could not be asked from there
    bool under_way = false;  // its connection: what fails from then on is what came back
    std::unique_ptr<curl_slist, FreeList> connect_to;
    std::unique_ptr<CURL, Cleanup> easy;  // first to go: it uses the list

    Outcome outcome(CURLcode code) const {
        long status = 0;
        curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
        if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && status != 0)) {
            const bool expected =
                std::ranges::any_of(check->status, [&](const StatusRange& range) { return range.contains(status); });
            return expected ? Outcome::passed() : Outcome::failed("HTTP status " + std::to_string(status));
        }
        long error_number = 0;
        curl_easy_getinfo(easy.get(), CURLINFO_OS_ERRNO, &error_number);
        if (code == CURLE_OUT_OF_MEMORY) return Outcome::undecided("no memory");
        if (no_origin != 0) return cannot_begin(no_origin);
        if (code == CURLE_COULDNT_CONNECT && error_number != 0) {
            const int why = static_cast<int>(error_number);
            return under_way ? Outcome::of_errno(why) : cannot_begin(why);
        }
        return Outcome::failed(curl_easy_strerror(code));
    }
    Outcome cannot_begin(int why) const { return Outcome::of_beginning(why, origin.has_value()); }
};

struct HttpProbes::Callbacks {
    // The status is known; nobody reads the rest.
    static size_t on_body(char* /*bytes*/, size_t /*size*/, size_t /*count*/, void* /*request*/) { return 0; }

    // A connection that connect() has refused to begin never gets here.
    static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* known) {
        auto& probes = *static_cast<HttpProbes*>(self);
        Request* request = nullptr;  // none: it is the library's own
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &request);
        if (request) request->under_way = true;
        epoll_event event{};
        event.data.u64 = probes.mark_ | static_cast<uint64_t>(fd);
        if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) event.events |= EPOLLIN;
        if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) event.events |= EPOLLOUT;
        const int change = what == CURL_POLL_REMOVE ? EPOLL_CTL_DEL : known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        epoll_ctl(probes.epoll_, change, fd, &event);
        curl_multi_assign(probes.multi_, fd, what == CURL_POLL_REMOVE ? nullptr : self);
        return 0;
    }

    // No connection rests here for a minute.
    static int on_opened(void* data, curl_socket_t fd, curlsocktype /*purpose*/) {
        reset_on_close(fd);
        auto& request = *static_cast<Request*>(data);
        const auto& origin = request.origin;
        if (!origin || come_from(fd, origin->address, origin->link, request.asked)) return CURL_SOCKOPT_OK;
        request.no_origin = errno;
        return CURL_SOCKOPT_ERROR;
    }

    static int on_timer(CURLM* /*multi*/, long in_ms, void* self) {
        auto& wakes_at = static_cast<HttpProbes*>(self)->wakes_at_;
        wakes_at = in_ms < 0 ? std::nullopt : std::optional(Clock::now() + std::chrono::milliseconds(in_ms));
        return 0;
    }
};

HttpProbes::HttpProbes(int epoll, uint64_t mark) : epoll_(epoll), mark_(mark), multi_(curl_multi_init()) {
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, Callbacks::on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, Callbacks::on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
}

HttpProbes::~HttpProbes() {
    while (!requests_.empty()) end(requests_.begin()->first);
    curl_multi_cleanup(multi_);
}

bool HttpProbes::begin(uint64_t number, const Target& target) {
    const HealthCheck& check = *target.check;
    const Endpoint asked = target.asked();
    const std::string scheme = check.kind == CheckKind::https ? "https" : "http";
    // With a host the URL bears its name alone, so that Host and SNI do too, and the way leads to the backend.
    const std::string address = in_brackets(asked.ip) + ":" + std::to_string(asked.port);
    const std::string url = scheme + "://" + (check.host.empty() ? address : check.host) + check.path;

    auto request = std::make_unique<Request>();
    request->number = number;
    request->check = target.check;
    request->asked = asked;
    request->origin = target.origin;
    request->connect_to.reset(curl_slist_append(nullptr, ("::" + address).c_str()));
    request->easy.reset(curl_easy_init());
    CURL* easy = request->easy.get();
    if (!easy || !request->connect_to) return false;
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, request->connect_to.get());
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request.get());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, scheme.c_str());
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "hairpin/" HAIRPIN_VERSION " (health check)");
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, Callbacks::on_opened);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, request.get());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, Callbacks::on_body);
    // The library knows version 1 alone, which servers take that take the other one.
    if (target.header() != ProxyHeader::none) curl_easy_setopt(easy, CURLOPT_HAPROXYPROTOCOL, 1L);
    if (curl_multi_add_handle(multi_, easy) != CURLM_OK) return false;
    requests_.emplace(number, std::move(request));
    return true;
}

bool HttpProbes::has_met(uint64_t number) const {
    const auto found = requests_.find(number);
    if (found == requests_.end()) return false;
    curl_off_t connected = 0;  // microseconds from the beginning
    curl_easy_getinfo(found->second->easy.get(), CURLINFO_CONNECT_TIME_T, &connected);
    return connected > 0;
}

void HttpProbes::end(uint64_t number) {
    const auto found = requests_.find(number);
    if (found == requests_.end()) return;
    curl_multi_remove_handle(multi_, found->second->easy.get());
    requests_.erase(found);
}

void HttpProbes::on_event(int fd, uint32_t events) {
    int mask = 0;
    if (events & EPOLLIN) mask |= CURL_CSELECT_IN;
    if (events & EPOLLOUT) mask |= CURL_CSELECT_OUT;
    if (events & (EPOLLERR | EPOLLHUP)) mask |= CURL_CSELECT_ERR;
    int running = 0;
    curl_multi_socket_action(multi_, fd, mask, &running);
    collect();
}

void HttpProbes::wake() {
    wakes_at_.reset();
    int running = 0;
    curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
    collect();
}

void HttpProbes::collect() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        Request* request = nullptr;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
        outcomes_.emplace_back(request->number, request->outcome(message->data.result));
        end(request->number);
    }
}

std::vector<std::pair<uint64_t, Outcome>> HttpProbes::take_outcomes() { return std::exchange(outcomes_, {}); }

}  // namespace hairpin::health
