#include "engine/script/generator.hpp"

#include "engine/script/program.hpp"

namespace weir::script {

struct Generator::Content {
  Program program;
  int coroutine = -1;
  std::uint64_t epoch = 0;  // Of the state the coroutine lives in.
  bool begun = false;
  bool ended = false;

  ~Content() { stop(); }
  void stop() {
    if (coroutine >= 0 && epoch == program.state().epoch()) program.state().stop(coroutine);
    coroutine = -1;
    begun = false;
  }
};

Generator::Generator() = default;
Generator::Generator(Generator&&) noexcept = default;
Generator& Generator::operator=(Generator&&) noexcept = default;
Generator::~Generator() = default;

std::optional<CompileError> Generator::compile(Engine& engine, const config::Lua& code) {
  auto content = std::make_unique<Content>();
  if (auto error = content->program.compile(engine, code.code, Form::block, code.place, Setting::generate))
    return error;
  content_ = std::move(content);
  return std::nullopt;
}

void Generator::next(double waited_seconds, Step& step) {
  auto& content = *content_;
  State& state = content.program.state();
  step.kind = Step::Kind::ended;
  if (content.ended) return;
  const auto fail = [&](message::Failure failure) {
    content.stop();
    content.ended = true;
    step.kind = Step::Kind::failed;
    step.failure = std::move(failure);
  };
  if (!content.begun) {
    content.epoch = state.epoch();
    content.coroutine = state.start(content.program.chunk());
    if (content.coroutine < 0) return fail(std::move(state.failure()));
  } else if (content.epoch != state.epoch()) {
    return fail({message::Reason::memory, "other code of this file ran out of memory, which ended this generator"});
  }
  const auto resumed = state.resume(content.coroutine, content.program.chunk(), !content.begun, waited_seconds);
  content.begun = true;
  switch (resumed) {
    case State::Resumed::message:
      step.kind = Step::Kind::message;
      step.payload = state.out();
      break;
    case State::Resumed::sleep:
      step.kind = Step::Kind::sleep;
      step.sleep = state.sleep();
      break;
    case State::Resumed::ended:
      content.stop();
      content.ended = true;
      break;
    case State::Resumed::failed:
      fail(std::move(state.failure()));
      break;
  }
}

}  // namespace weir::script
