// A pipeline on the real runtime: what a test of the real outside stands on.
#pragma once
#include <boost/test/unit_test.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "engine/config/loader.hpp"
#include "engine/graph/running.hpp"
#include "engine/runtime/real.hpp"

namespace weir::tests {

/// From its start to its end, in the constructor. Drained once `enough` holds; without it, it ends by itself.
class RealRun {
 public:
  using Enough = std::function<bool(const observe::PipelineSnapshot&)>;

  explicit RealRun(const std::string& yaml, Enough enough = {})
      : runtime_(runtime::make_real({})), enough_(std::move(enough)) {
    config::Diagnostics diagnostics;
    auto pipeline =
        config::load(std::make_shared<config::Source>(config::Source{"test.yaml", yaml}), {}, {}, diagnostics);
    std::optional<graph::Plan> plan;
    if (pipeline) plan = graph::compile(std::move(*pipeline), stage::Catalog::linked(), diagnostics);
    BOOST_REQUIRE_MESSAGE(plan && !diagnostics.has_errors(), diagnostics.render());
    running_ = std::make_unique<graph::Running>(std::move(*plan), *runtime_, 0, budget_);
    runtime_->run([this] {
      running_->start([this](const graph::Ending& ended) {
        ending = ended;
        runtime_->core(0).post([this] {
          running_.reset();
          runtime_->stop();
        });
      });
      if (enough_) look();
    });
  }

  graph::Ending ending;

 private:
  void look() {
    if (!running_ || running_->has_ended()) return;
    running_->snapshot([this](observe::PipelineSnapshot snapshot) {
      if (enough_(snapshot))
        running_->drain();
      else
        alarm_ = runtime_->core(0).alarm(runtime_->core(0).now() + std::chrono::milliseconds(1), [this] { look(); });
    });
  }

  flow::Budget budget_{64 << 20};
  std::unique_ptr<runtime::RealRuntime> runtime_;
  Enough enough_;
  std::unique_ptr<graph::Running> running_;
  std::unique_ptr<runtime::Alarm> alarm_;
};

inline const observe::StageSnapshot& stage_of(const observe::PipelineSnapshot& snapshot, const std::string& name) {
  for (const auto& stage : snapshot.stages) {
    if (stage.stage == name) return stage;
  }
  throw std::runtime_error("no stage " + name);
}

}  // namespace weir::tests
